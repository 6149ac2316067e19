use super::*;

/// What the table tells of a model, its sources one behind the other, as a row would write it.
fn told(prefix: &str, id: &str) -> String {
    let mut model = crate::model::Model::default();
    of(prefix, id).into_iter().for_each(|facts| model.learn(facts, crate::model::Source::Table));
    let figure = |figure: Option<u64>| figure.map_or_else(|| "-".to_owned(), |figure| figure.to_string());
    let figures = [model.context_length, model.input_limit, model.output_limit, model.embedding_length].map(figure);
    let is_unknown = model.capabilities == Capabilities::default();
    let names = if is_unknown { "?".to_owned() } else { model.capabilities.names().join(" ") };
    format!("{} {names}", figures.join(" "))
}

#[test]
fn the_table_is_well_formed_and_sorted() {
    let rows = &*ROWS;
    assert!(rows.len() > 500 && TABLE.is_ascii() && TABLE.ends_with('\n') && TABLE.len() < 64 << 10);
    assert!(TABLE.lines().take_while(|line| line.starts_with('#')).any(|line| line.contains("MIT licence")));
    let names: Vec<&str> = rows.iter().map(|row| row.split('\t').next().unwrap()).collect();
    assert!(names.is_sorted() && names.windows(2).all(|pair| pair[0] != pair[1]));
    let words = ["completion", "tools", "no-tools", "vision", "thinking", "embedding", "-"];
    for row in rows {
        let cells: Vec<&str> = row.split('\t').collect();
        assert_eq!(cells.len(), 6, "{row}");
        assert!(cells[1..5].iter().all(|cell| *cell == "-" || cell.parse::<u64>().is_ok_and(|n| n > 0)), "{row}");
        assert!(cells[5].split(' ').all(|word| words.contains(&word)), "{row}");
    }
}

#[test]
fn every_row_is_found_and_nothing_between_them() {
    for line in &*ROWS {
        let (prefix, id) = line.split('\t').next().unwrap().split_once(':').unwrap();
        assert_eq!(row(prefix, id), facts(line.split_once('\t').unwrap().1), "{line}");
        assert_eq!(row(prefix, &format!("{id} ")), None);
    }
    for (prefix, id) in [("", ""), ("!", "a"), ("zzz", "a"), ("openai", ""), ("openai", "gpt-4\t8192"), ("*", "é")] {
        assert_eq!(row(prefix, id), None, "{prefix}:{id}");
    }
}

#[test]
fn providers_own_models() {
    let all = "completion tools vision thinking";
    let rows = [
        ("openai", "gpt-5", format!("400000 272000 128000 - {all}")),
        ("openai", "gpt-4o", "128000 - 16384 - completion tools vision".to_owned()),
        ("openai", "gpt-3.5-turbo-instruct", "8192 - 4096 - completion".to_owned()),
        ("openai", "text-embedding-3-large", "8191 - - 3072 embedding".to_owned()),
        ("google", "gemini-2.5-pro", format!("1048576 - 65536 - {all}")),
        ("google", "gemini-embedding-001", "2048 - - 3072 embedding".to_owned()),
        ("cohere", "command-a-03-2025", "256000 - 8000 - completion tools".to_owned()),
        ("cohere", "command-a-vision-07-2025", "128000 - 8000 - completion vision".to_owned()),
        ("cohere", "embed-v4.0", "128000 - - 1536 embedding".to_owned()),
        ("codestral", "codestral-latest", "256000 - - - completion tools".to_owned()),
        ("mistral", "mistral-embed", "8192 - - 1024 embedding".to_owned()),
        ("qwen", "qwen3-vl-plus", format!("260096 - 32768 - {all}")),
        ("qwen", "text-embedding-v4", "8192 - - 1024 embedding".to_owned()),
    ];
    for (prefix, id, expected) in rows {
        assert_eq!(told(prefix, id), expected, "{prefix}:{id}");
    }
}

#[test]
fn other_spellings_of_a_providers_own_models() {
    for (prefix, id, same_as) in [
        ("openai", "gpt-4o-2027-01-31", "gpt-4o"),
        ("openai", "ft:gpt-4o-2024-08-06:org::a1", "gpt-4o-2024-08-06"),
        ("openai", "ft:gpt-5:org:name:a1", "gpt-5"),
        ("openai", "GPT-4o", "gpt-4o"),
        ("google", "gemini-2.5-flash-preview-09-2025", "gemini-2.5-flash"),
        ("google", "gemini-2.5-flash-001", "gemini-2.5-flash"),
        ("mistral", "magistral-medium-2509", "magistral-medium-latest"),
        ("codestral", "codestral", "codestral-latest"),
        ("qwen", "qwen-plus-2099-01-01", "qwen-plus"),
    ] {
        assert_eq!(told(prefix, id), told(prefix, same_as), "{id}");
    }
}

/// What an aggregator's list leaves out is its maker's; of open weights, which anybody hosts, no figures.
#[test]
fn makers_models_at_an_aggregator() {
    assert_eq!(told("openrouter", "openai/gpt-4o:free"), told("openai", "gpt-4o"));
    assert_eq!(told("openrouter", "anthropic/claude-sonnet-4.5"), told("anthropic", "claude-sonnet-4-5"));
    assert_eq!(told("openrouter", "google/gemma-3-27b-it"), "- - - - completion tools vision");
    assert_eq!(told("openrouter", "qwen/qwen3-30b-a3b"), "- - - - completion tools thinking");
    assert_eq!(told("openrouter", "somebody/private-thing"), "- - - - ?");
}

#[test]
fn open_models_at_any_host() {
    for (id, expected) in [
        ("Meta-Llama-3-3-70B-Instruct", "completion tools"),
        ("meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8", "completion tools vision"),
        ("accounts/fireworks/models/llama-v3p3-70b-instruct", "completion tools"),
        ("openai/gpt-oss-120b", "completion tools thinking"),
        ("gpt-oss:20b", "completion tools thinking"),
        ("DeepSeek-R1-0528", "completion tools thinking"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "completion tools thinking"),
        ("Qwen3-235B-A22B-FP8", "completion tools thinking"),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", "completion tools"),
        ("Qwen3-235B-A22B-Thinking-2507", "completion tools thinking"),
        ("qwen3-99b", "completion tools thinking"),
        ("gemma-3-1b-it", "completion tools"),
        ("gpt-4o", "completion tools vision"),
    ] {
        assert_eq!(told("akash", id), format!("- - - - {expected}"), "{id}");
    }
}

/// A vector's length is the model's own, not the host's.
#[test]
fn vectors_of_open_models() {
    assert_eq!(told("akash", "BAAI/bge-m3"), "- - - 1024 embedding");
    assert_eq!(told("openrouter", "qwen/qwen3-embedding-8b"), "- - - 4096 embedding");
    assert_eq!(told("azure", "text-embedding-3-large"), "- - - 3072 embedding");
}

#[test]
fn names_are_shortened_as_the_script_does_it() {
    for (id, short) in [
        ("Meta-Llama-3-3-70B-Instruct", "llama3.3-70b"),
        ("llama3.3:70b-instruct", "llama3.3-70b"),
        ("llama-v3p3-70b-instruct", "llama3.3-70b"),
        ("gpt-4-turbo-2024-04-09", "gpt4turbo"),
        ("llama-3.3-70b-instruct-turbo", "llama3.3-70b"),
        ("gpt-4.1-nano", "gpt4.1nano"),
        ("command-a-03-2025", "commanda"),
        ("mixtral-8x22b-instruct-v0.1", "mixtral0.1-8x22b"),
        ("claude-sonnet-4-5-20250929", "claudesonnet4.5"),
        ("kimi-k2-0905", "kimik2"),
        ("gemini-2.0-flash-001", "gemini2.0flash"),
        ("Qwen/Qwen2.5-VL-72B-Instruct-AWQ", "qwen2.5vl-72b"),
    ] {
        assert_eq!(family::shortened(id, family::Instruct::Dropped).as_deref(), Some(short), "{id}");
    }
    for row in ROWS.iter().filter_map(|row| row.strip_prefix("*:")) {
        let name = row.split('\t').next().unwrap();
        assert_eq!(family::shortened(name, family::Instruct::Kept).as_deref(), Some(name));
    }
    assert_eq!(family::shortened("instruct", family::Instruct::Kept).as_deref(), Some("instruct"));
    assert_eq!(family::shortened("///", family::Instruct::Kept), None);
}

#[test]
fn names_tell_sizes_and_families() {
    for (id, size, family) in [
        ("llama-3.3-70b", Some("70B"), Some("llama")),
        ("mixtral-8x22b-instruct", Some("8x22B"), Some("mixtral")),
        ("qwen3-30b-a3b", Some("30B"), Some("qwen")),
        ("smollm2:135m", Some("135M"), Some("smollm")),
        ("gemma3n:e4b", None, Some("gemma")),
        ("llama-4-scout-17b-16e", None, Some("llama")),
        ("kimi-k3-2.4t", Some("2.4T"), Some("kimi")),
        ("text-embedding-3-small", None, None),
        ("embed-v4.0", None, None),
        ("gpt-4o-mini", None, Some("gpt")),
    ] {
        let facts = family::of(id);
        assert_eq!((facts.parameter_size.as_deref(), facts.family.as_deref()), (size, family), "{id}");
    }
}

proptest::proptest! {
    /// No name that anybody lists or asks for upsets the look-up.
    #[test]
    fn any_name_is_looked_up(prefix in "\\PC{0,8}", id in "(\\PC|[-_:/.@0-9abempx]){0,40}") {
        let _ = (of(&prefix, &id), family::of(&id), own(&prefix, &id));
    }
}
