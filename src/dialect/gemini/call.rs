//! What a client's path and query ask for: `/v1beta/models/{model}:{method}`.

/// Below the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call<'a> {
    /// The model list.
    List,
    /// One model.
    Model(&'a str),
    /// `:generateContent`
    Generate(&'a str),
    /// `:streamGenerateContent`
    Stream(&'a str),
    /// `:countTokens`
    Count(&'a str),
    /// `:embedContent`
    Embed(&'a str),
    /// `:batchEmbedContents`
    EmbedBatch(&'a str),
    /// Something else of Google's.
    Other,
}

/// Reads a path without its version, such as `models/a:b/c:free:generateContent`: the method stands behind the last colon.
pub fn read(path: &str, is_post: bool) -> Call<'_> {
    if path == "models" && !is_post {
        return Call::List;
    }
    let name = match path.strip_prefix("models/") {
        Some(name) => name,
        None if path.starts_with("tunedModels/") => path,
        None => return Call::Other,
    };
    if !is_post {
        return Call::Model(name);
    }
    let Some((model, method)) = name.rsplit_once(':') else { return Call::Other };
    match method {
        "generateContent" => Call::Generate(model),
        "streamGenerateContent" => Call::Stream(model),
        "countTokens" => Call::Count(model),
        "embedContent" => Call::Embed(model),
        "batchEmbedContents" => Call::EmbedBatch(model),
        _ => Call::Other,
    }
}

impl<'a> Call<'a> {
    /// The model that is asked for, where it is one.
    pub fn model(self) -> Option<&'a str> {
        match self {
            Call::List | Call::Other => None,
            Call::Model(name) | Call::Generate(name) | Call::Stream(name) => Some(name),
            Call::Count(name) | Call::Embed(name) | Call::EmbedBatch(name) => Some(name),
        }
    }
}

/// The value of a query's parameter, unescaped.
pub fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next_back()?;
    Some(percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_stands_behind_the_last_colon() {
        let rows = [
            ("models/gemini-2.5-pro:generateContent", Call::Generate("gemini-2.5-pro")),
            ("models/openrouter:a/b:free:streamGenerateContent", Call::Stream("openrouter:a/b:free")),
            ("tunedModels/mine:generateContent", Call::Generate("tunedModels/mine")),
            ("models/llama3.2:3b:countTokens", Call::Count("llama3.2:3b")),
            ("models/e:embedContent", Call::Embed("e")),
            ("models/e:batchEmbedContents", Call::EmbedBatch("e")),
            ("models/a:b", Call::Other),
            ("models", Call::Other),
            ("files", Call::Other),
        ];
        for (path, want) in rows {
            assert_eq!(read(path, true), want, "{path}");
        }
        assert_eq!(read("models", false), Call::List);
        assert_eq!(read("models/llama3.2:3b", false), Call::Model("llama3.2:3b"));
    }

    #[test]
    fn a_query_is_read() {
        assert_eq!(parameter("alt=sse&key=a%2Bb", "key").as_deref(), Some("a+b"));
        assert_eq!(parameter("alt=json&alt=sse", "alt").as_deref(), Some("sse"));
        assert_eq!(parameter("", "alt"), None);
    }
}
