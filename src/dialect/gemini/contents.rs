//! The conversation: `contents` and `systemInstruction`.
//!
//! Google's rules, as its error messages tell them: roles are `user` and `model` alone; the first turn is the user's; no text and
//! no list of parts is empty; every call is answered in the content right behind it, in the same number and order; and
//! `functionResponse` stands with no ordinary part in one content.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use super::family::Family;
use super::media::Blob;
use crate::chat::{Failure, Message, Part, Role, opaque};
use crate::dialect::dropped::Dropped;
use crate::json::{Json, Kind, Text, Writer};

/// Takes the place of a signature that a call of the history doesn't have, because it was made elsewhere or the client lost
/// it: Google documents it for that.
pub(super) const SIGNATURE_STAND_IN: &str = "skip_thought_signature_validator";
/// What the user says where a conversation begins with the model. Nothing at all is refused.
const SILENCE: &str = " ";

/// A conversation in Google's order.
pub(super) struct Conversation {
    system: Vec<Text>,
    turns: Vec<Turn>,
    family: Family,
    open: OpenCalls,
}

/// What one side says until the other does. Results stand with the calls that they answer.
#[derive(Default)]
struct Turn {
    is_model: bool,
    pieces: Vec<Piece>,
    calls: Vec<Call>,
    /// A call of it was answered.
    is_answered: bool,
}

/// A part that is neither a call's result nor a call.
enum Piece {
    Text {
        text: Text,
        signature: Option<Text>,
    },
    Thought {
        text: Text,
        signature: Text,
    },
    Blob(Blob),
    /// The call with this index.
    Call {
        index: usize,
        arguments: Json,
        signature: Option<Text>,
    },
}

struct Call {
    id: Option<Text>,
    name: Text,
    result: Option<Outcome>,
}

struct Outcome {
    response: Response,
    blobs: Vec<Blob>,
}

/// What a call gave. Google wants an object.
enum Response {
    Object(Json),
    Output(Text),
    Error(Text),
}

/// Where calls stand that may have no result yet. They are found by maps, not by looking through: a conversation may hold any
/// number.
#[derive(Default)]
struct OpenCalls {
    /// By id: the turns with such calls, the last on top, and in each its calls in order.
    by_id: HashMap<String, Vec<VecDeque<Place>>>,
    /// The last turn that called.
    turn: Option<usize>,
    /// Its calls by name and (`None`) all, in order.
    of_turn: HashMap<Option<String>, VecDeque<Place>>,
}

/// The number of a turn, and that of a call in it.
type Place = (usize, usize);

impl OpenCalls {
    fn add(&mut self, id: Option<&Text>, name: &Text, place: Place) {
        if self.turn != Some(place.0) {
            self.turn = Some(place.0);
            self.of_turn.clear();
        }
        for name in [Some(name.as_str().into_owned()), None] {
            self.of_turn.entry(name).or_default().push_back(place);
        }
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            let turns = self.by_id.entry(id.as_str().into_owned()).or_default();
            match turns.last_mut() {
                Some(last) if last.back().is_some_and(|(turn, _)| *turn == place.0) => last.push_back(place),
                _ => turns.push(VecDeque::from([place])),
            }
        }
    }

    /// The call that a result belongs to: by id, the last call with it (of one turn the first, as it is answered in order); else,
    /// of the last turn that called, the first unanswered one with the result's name, or, without a name, the first.
    fn find(&mut self, id: Option<&Text>, name: Option<&Text>, turns: &[Turn]) -> Option<Place> {
        let is_answered = |(turn, call): &Place| {
            turns.get(*turn).and_then(|turn| turn.calls.get(*call)).is_none_or(|call| call.result.is_some())
        };
        if let Some(with_id) = id.and_then(|id| self.by_id.get_mut(id.as_str().as_ref())) {
            while let Some(last) = with_id.last_mut() {
                match first(last, is_answered) {
                    Some(place) => return Some(place),
                    None => with_id.pop(),
                };
            }
            return None;
        }
        first(self.of_turn.get_mut(&name.map(|name| name.as_str().into_owned()))?, is_answered)
    }
}

/// The first that is not answered; those before it are forgotten.
fn first(queue: &mut VecDeque<Place>, is_answered: impl Fn(&Place) -> bool) -> Option<Place> {
    while queue.front().is_some_and(&is_answered) {
        queue.pop_front();
    }
    queue.front().copied()
}

impl Conversation {
    /// Puts the messages in order.
    pub(super) fn of(messages: &[Message], family: Family, dropped: &mut Dropped) -> Result<Conversation, Failure> {
        let mut conversation =
            Conversation { system: Vec::new(), turns: Vec::new(), family, open: OpenCalls::default() };
        for message in messages {
            if message.name.is_some() {
                dropped.push("name");
            }
            dropped.leave(&message.extras)?;
            conversation.add(message, dropped)?;
        }
        conversation.place_system();
        conversation.let_user_begin()?;
        Ok(conversation)
    }

    fn add(&mut self, message: &Message, dropped: &mut Dropped) -> Result<(), Failure> {
        match &message.role {
            Role::System | Role::Developer => self.add_system(&message.parts),
            Role::User | Role::Tool => message.parts.iter().try_for_each(|part| self.add_user(part, dropped)),
            Role::Assistant => self.add_model(&message.parts, dropped),
            Role::Other(role) => {
                Err(Failure::bad_request(format!("the role {role:?} is not known")).with_param("messages"))
            }
        }
    }

    fn add_system(&mut self, parts: &[Part]) -> Result<(), Failure> {
        for part in parts {
            match part {
                Part::Text { text, .. } | Part::Refusal(text) if text.is_empty() => {}
                Part::Text { text, .. } | Part::Refusal(text) => self.system.push(text.clone()),
                Part::CacheMark(_) => {}
                _ => return Err(Failure::bad_request("instructions can hold text only").with_param("messages")),
            }
        }
        Ok(())
    }

    fn add_user(&mut self, part: &Part, dropped: &mut Dropped) -> Result<(), Failure> {
        let piece = match part {
            Part::Text { text, .. } | Part::Refusal(text) if text.is_empty() => return Ok(()),
            Part::Text { text, .. } | Part::Refusal(text) => Piece::Text { text: text.clone(), signature: None },
            Part::CacheMark(_) => return Ok(()),
            Part::Media(media) => Piece::Blob(blob(media, dropped)?),
            Part::ToolResult { id, name, content, is_error } => {
                let outcome = Outcome::of(content, *is_error, dropped)?;
                return self.answer(id.as_ref(), name.as_ref(), outcome);
            }
            Part::Thinking { .. } | Part::Redacted(_) | Part::ToolCall { .. } => {
                return Err(Failure::bad_request("only the model thinks and calls tools").with_param("messages"));
            }
        };
        self.turn(false).pieces.push(piece);
        Ok(())
    }

    /// The turn of that side that is under way. One whose calls were answered is over.
    fn turn(&mut self, is_model: bool) -> &mut Turn {
        let is_open = |turn: &Turn| turn.is_model == is_model && !turn.is_answered;
        if !self.turns.last().is_some_and(is_open) {
            self.turns.push(Turn { is_model, ..Turn::default() });
        }
        let last = self.turns.len() - 1;
        &mut self.turns[last]
    }

    /// Puts a result to the call that it belongs to.
    fn answer(&mut self, id: Option<&Text>, name: Option<&Text>, outcome: Outcome) -> Result<(), Failure> {
        let id = id.filter(|id| !id.is_empty());
        let name = name.filter(|name| !name.is_empty());
        let found = self.open.find(id, name, &self.turns);
        let turn = found.and_then(|(turn, call)| Some((self.turns.get_mut(turn)?, call)));
        let Some((is_answered, call)) =
            turn.and_then(|(turn, at)| Some((&mut turn.is_answered, turn.calls.get_mut(at)?)))
        else {
            let shown = id.or(name).map_or_else(String::new, |text| format!(" {:?}", text.as_str()));
            let message = format!("the tool result{shown} answers no open call of the conversation");
            return Err(Failure::bad_request(message).with_param("messages"));
        };
        *is_answered = true;
        call.result = Some(outcome);
        Ok(())
    }

    fn add_model(&mut self, parts: &[Part], dropped: &mut Dropped) -> Result<(), Failure> {
        for part in parts {
            match part {
                Part::Text { text, signature: None } | Part::Refusal(text) if text.is_empty() => {}
                Part::Redacted(_) | Part::CacheMark(_) => {}
                Part::ToolResult { .. } => self.add_user(part, dropped)?,
                Part::Text { text, signature } => {
                    self.push_model(Piece::Text { text: text.clone(), signature: signature.clone() });
                }
                Part::Refusal(text) => self.push_model(Piece::Text { text: text.clone(), signature: None }),
                // Thoughts without a signature of Google's are nothing that the model could use again.
                Part::Thinking { text, signature } => {
                    if let Some(signature) = signature.as_ref().and_then(opaque::unowned) {
                        self.push_model(Piece::Thought { text: text.clone(), signature: signature.clone() });
                    }
                }
                Part::Media(media) => {
                    let blob = blob(media, dropped)?;
                    self.push_model(Piece::Blob(blob));
                }
                Part::ToolCall { id, name, arguments, signature } => {
                    let call = Call { id: id.clone(), name: name.clone(), result: None };
                    self.push_call(call, arguments.clone(), signature.clone());
                }
            }
        }
        Ok(())
    }

    fn push_model(&mut self, piece: Piece) {
        self.turn(true).pieces.push(piece);
    }

    fn push_call(&mut self, call: Call, arguments: Json, signature: Option<Text>) {
        let (id, name) = (call.id.clone(), call.name.clone());
        let turn = self.turn(true);
        turn.pieces.push(Piece::Call { index: turn.calls.len(), arguments, signature });
        turn.calls.push(call);
        let place = (self.turns.len() - 1, self.turns.last().map_or(0, |turn| turn.calls.len() - 1));
        self.open.add(id.as_ref(), &name, place);
    }

    /// Instructions go to the user's first turn where the model takes none apart, or there is nothing else to say.
    fn place_system(&mut self) {
        if self.system.is_empty() || (self.family.takes_system() && !self.turns.is_empty()) {
            return;
        }
        let said: Vec<Piece> = self.system.drain(..).map(|text| Piece::Text { text, signature: None }).collect();
        match self.turns.first_mut().filter(|turn| !turn.is_model) {
            Some(first) => drop(first.pieces.splice(..0, said)),
            None => self.turns.insert(0, Turn { pieces: said, ..Turn::default() }),
        }
    }

    fn let_user_begin(&mut self) -> Result<(), Failure> {
        let Some(first) = self.turns.first() else {
            return Err(Failure::bad_request("there is no message to answer").with_param("messages"));
        };
        if first.is_model {
            let silence = Piece::Text { text: SILENCE.into(), signature: None };
            self.turns.insert(0, Turn { pieces: vec![silence], ..Turn::default() });
        }
        Ok(())
    }
}

fn blob(media: &crate::chat::Media, dropped: &mut Dropped) -> Result<Blob, Failure> {
    if media.detail.as_ref().is_some_and(|detail| *detail != "auto") {
        dropped.push("detail");
    }
    Blob::of(media)
}

impl Outcome {
    fn of(content: &[Part], is_error: bool, dropped: &mut Dropped) -> Result<Outcome, Failure> {
        let mut texts = Vec::new();
        let mut blobs = Vec::new();
        for part in content {
            match part {
                Part::Text { text, .. } | Part::Refusal(text) => texts.push(text),
                Part::Media(media) => blobs.push(blob(media, dropped)?),
                Part::CacheMark(_) => {}
                _ => {
                    return Err(
                        Failure::bad_request("a tool result can hold text and media only").with_param("messages")
                    );
                }
            }
        }
        let text = match texts.as_slice() {
            [one] => (*one).clone(),
            many => Text::from(many.iter().map(|text| text.as_str()).collect::<String>()),
        };
        Ok(Outcome { response: Response::of(text, is_error), blobs })
    }
}

impl Response {
    fn of(text: Text, is_error: bool) -> Response {
        if is_error {
            return Response::Error(text);
        }
        match object_in(&text) {
            Some(object) => Response::Object(object),
            None => Response::Output(text),
        }
    }

    fn write(&self, w: &mut Writer) {
        match self {
            Response::Object(object) => w.json(object),
            Response::Output(text) => w.object(|w| w.key("output").text(text)),
            Response::Error(text) => w.object(|w| w.key("error").text(text)),
        }
    }
}

/// The JSON object that a text is, when it is one.
fn object_in(text: &Text) -> Option<Json> {
    let said = text.as_str();
    if !said.trim_start().starts_with('{') {
        return None;
    }
    Json::parse(Bytes::from(said.into_owned())).ok()
}

impl Conversation {
    /// Writes both members.
    pub(super) fn write(&self, w: &mut Writer) {
        w.key("contents").array(|w| {
            // What came back from tools and can't stand in a response waits here for the user's next turn.
            let mut waiting: Vec<&Blob> = Vec::new();
            for turn in &self.turns {
                if !turn.is_model {
                    self.write_user(w, &std::mem::take(&mut waiting), &turn.pieces);
                    continue;
                }
                if !waiting.is_empty() {
                    self.write_user(w, &waiting, &[]);
                }
                self.write_model(w, turn);
                waiting = self.write_responses(w, &turn.calls);
            }
            if !waiting.is_empty() {
                self.write_user(w, &waiting, &[]);
            }
        });
        if !self.system.is_empty() {
            w.key("systemInstruction").object(|w| {
                w.key("parts").array(|w| self.system.iter().for_each(|text| w.object(|w| w.key("text").text(text))));
            });
        }
    }

    fn write_user(&self, w: &mut Writer, blobs: &[&Blob], pieces: &[Piece]) {
        write_content(w, "user", |w| {
            blobs.iter().for_each(|blob| w.object(|w| blob.write(w)));
            pieces.iter().for_each(|piece| self.write_piece(w, piece, &[]));
        });
    }

    fn write_model(&self, w: &mut Writer, turn: &Turn) {
        write_content(w, "model", |w| turn.pieces.iter().for_each(|piece| self.write_piece(w, piece, &turn.calls)));
    }

    /// The answers to all calls of a turn, in one content; one that is missing is said to be, since their number is checked.
    /// What has no place there is handed back.
    fn write_responses<'a>(&self, w: &mut Writer, calls: &'a [Call]) -> Vec<&'a Blob> {
        let mut outside = Vec::new();
        if calls.is_empty() {
            return outside;
        }
        write_content(w, "user", |w| {
            for call in calls {
                let blobs = call.result.as_ref().map(|result| result.blobs.iter()).into_iter().flatten();
                let takes_blobs = self.family.is_gemini_from(3, 0);
                let (inside, others): (Vec<_>, Vec<_>) = blobs.partition(|b| takes_blobs && b.fits_into_response());
                outside.extend(others);
                w.object(|w| w.key("functionResponse").object(|w| self.write_response(w, call, &inside)));
            }
        });
        outside
    }

    fn write_response(&self, w: &mut Writer, call: &Call, blobs: &[&Blob]) {
        self.write_id(w, call);
        w.key("name").text(&call.name);
        w.key("response");
        match &call.result {
            Some(result) => result.response.write(w),
            None => w.object(|w| w.key("error").str("this call was not answered")),
        }
        if !blobs.is_empty() {
            w.key("parts").array(|w| blobs.iter().for_each(|blob| w.object(|w| blob.write(w))));
        }
    }

    /// Gemini 3 gives ids of its own: eight letters and digits, as recorded. One that another provider or the gateway made is not
    /// known there, and Gemini 2 knows none: those are left out, and order and name pair call and result.
    fn write_id(&self, w: &mut Writer, call: &Call) {
        let is_own = |id: &str| id.len() == 8 && id.bytes().all(|b| b.is_ascii_alphanumeric());
        let id = call.id.as_ref().filter(|id| self.family.is_gemini_from(3, 0) && is_own(&id.as_str()));
        if let Some(id) = id {
            w.key("id").text(id);
        }
    }

    fn write_piece(&self, w: &mut Writer, piece: &Piece, calls: &[Call]) {
        w.object(|w| match piece {
            Piece::Text { text, signature } => {
                w.key("text").text(text);
                write_signature(w, signature.as_ref());
            }
            Piece::Thought { text, signature } => {
                w.key("text").text(text);
                w.key("thought").bool(true);
                write_signature(w, Some(signature));
            }
            Piece::Blob(blob) => blob.write(w),
            Piece::Call { index, arguments, signature } => {
                if let Some(call) = calls.get(*index) {
                    w.key("functionCall").object(|w| self.write_call(w, call, arguments));
                }
                // Only the first call of a turn is signed, and checked to be.
                let stand_in = Text::from(SIGNATURE_STAND_IN);
                let needs_one = *index == 0 && self.family.checks_signatures();
                write_signature(w, signature.as_ref().or(needs_one.then_some(&stand_in)));
            }
        });
    }

    fn write_call(&self, w: &mut Writer, call: &Call, arguments: &Json) {
        self.write_id(w, call);
        w.key("name").text(&call.name);
        w.key("args");
        match arguments.value().kind() {
            Kind::Object => w.json(arguments),
            Kind::Null => w.object(|_| {}),
            _ => w.object(|w| w.key("value").json(arguments)),
        }
    }
}

fn write_content(w: &mut Writer, role: &str, parts: impl FnOnce(&mut Writer)) {
    w.object(|w| {
        w.key("role").str(role);
        w.key("parts").array(parts);
    });
}

fn write_signature(w: &mut Writer, signature: Option<&Text>) {
    if let Some(signature) = signature {
        w.key("thoughtSignature").text(signature);
    }
}

#[cfg(test)]
mod tests;
