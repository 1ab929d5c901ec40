//! What a handler heard from its host in one attempt: all that it takes to run the same work again without a backend. What the handler asked is not
//! in it; it would ask the same.

use crate::Digest;
use crate::ports::guests::{GenerationSummary, GuestInferenceError, InputError};
use crate::work::Output;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Text and notes of one transcript. What says more is not kept, and cannot be run again.
pub const BYTES_MAX: usize = 1 << 20;
/// What an answer takes beside its text, about.
const ANSWER_BYTES: usize = 32;

/// The answers of the host, as far as they can differ.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// Generations, in the order in which they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generations: Vec<Heard>,
    /// Inputs that were read, by their index.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<u32, Result<Text, InputError>>,
    /// Which reports and partial results, counted together from 0, were answered with "stop".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stops: Vec<u32>,
}

/// What came of one generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heard {
    /// It never began.
    Refused(GuestInferenceError),
    /// It answered.
    Said {
        /// All of its text.
        text: Text,
        /// How the text was cut, in bytes; whatever is left was never heard.
        chunks: Vec<u32>,
        /// What came after the text; nothing, where the handler stopped listening.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<End>,
    },
}

/// How a generation ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// By itself, with a summary.
    Complete(Option<GenerationSummary>),
    /// With an error.
    Broken(GuestInferenceError),
}

/// A text, or where it is kept already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Text {
    /// Here.
    Here(String),
    /// It is the content that the handler made, with this SHA-256.
    Output(Digest),
    /// It is in the request.
    Request,
}

/// A transcript while the attempt goes on.
#[derive(Debug, Default)]
pub struct Recorder {
    /// `None` once it said too much.
    transcript: Option<Transcript>,
    bytes: usize,
    told: u32,
}

impl Recorder {
    /// Nothing was heard yet.
    pub fn new() -> Self {
        Self { transcript: Some(Transcript::default()), ..Self::default() }
    }

    /// A generation was asked for; what names it here.
    pub fn generation(&mut self, refused: Option<GuestInferenceError>) -> usize {
        let heard = match refused {
            Some(error) => Heard::Refused(error),
            None => Heard::Said { text: Text::Here(String::new()), chunks: Vec::new(), end: None },
        };
        let Some(transcript) = self.within(0) else { return 0 };
        transcript.generations.push(heard);
        transcript.generations.len() - 1
    }

    /// More text of a generation.
    pub fn chunk(&mut self, generation: usize, more: &str) {
        let length = u32::try_from(more.len()).unwrap_or(u32::MAX);
        let Some(heard) = self
            .within(more.len())
            .and_then(|transcript| transcript.generations.get_mut(generation))
        else {
            return;
        };
        if let Heard::Said { text: Text::Here(text), chunks, .. } = heard {
            text.push_str(more);
            chunks.push(length);
        }
    }

    /// The end of a generation.
    pub fn end(&mut self, generation: usize, how: End) {
        let Some(heard) =
            self.within(0).and_then(|transcript| transcript.generations.get_mut(generation))
        else {
            return;
        };
        if let Heard::Said { end, .. } = heard {
            *end = Some(how);
        }
    }

    /// An input was read; twice is the same.
    pub fn input(&mut self, index: u32, text: Result<Text, InputError>) {
        if self.transcript.as_ref().is_none_or(|transcript| transcript.inputs.contains_key(&index))
        {
            return;
        }
        let bytes = if let Ok(Text::Here(text)) = &text { text.len() } else { 0 };
        if let Some(transcript) = self.within(bytes) {
            transcript.inputs.insert(index, text);
        }
    }

    /// A report or a partial result went out.
    pub fn told(&mut self, goes_on: bool) {
        let number = self.told;
        self.told = self.told.saturating_add(1);
        if !goes_on && let Some(transcript) = self.within(0) {
            transcript.stops.push(number);
        }
    }

    /// All that was heard, of an attempt that made this; `None` if it was too much.
    pub fn finish(&mut self, output: Option<&Output>) -> Option<Transcript> {
        let mut transcript = self.transcript.take()?;
        for heard in &mut transcript.generations {
            if let Heard::Said { text, .. } = heard
                && let Text::Here(said) = text
                && output.is_some_and(|output| output.content == *said)
            {
                *text = Text::Output(Digest::of(said.as_bytes()));
            }
        }
        Some(transcript)
    }

    fn within(&mut self, bytes: usize) -> Option<&mut Transcript> {
        self.bytes = self.bytes.saturating_add(bytes).saturating_add(ANSWER_BYTES);
        if self.bytes > BYTES_MAX {
            self.transcript = None;
        }
        self.transcript.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(content: &str) -> Output {
        Output { content: content.into(), ..Output::default() }
    }

    /// Goal: what was heard comes back, and a text that is kept elsewhere is not kept again. Method: one of each answer, through JSON.
    #[test]
    fn all_is_written_down_once() {
        let mut recorder = Recorder::new();
        recorder.generation(Some(GuestInferenceError::TooLong(9)));
        let second = recorder.generation(None);
        recorder.chunk(second, "Grü");
        recorder.chunk(second, "ße");
        recorder.end(second, End::Broken(GuestInferenceError::Timeout));
        recorder.input(0, Ok(Text::Request));
        recorder.input(0, Err(InputError::Denied));
        recorder.input(7, Err(InputError::Denied));
        for goes_on in [true, false, true] {
            recorder.told(goes_on);
        }
        let transcript = recorder.finish(Some(&output("Grüße"))).unwrap();
        let said = Heard::Said {
            text: Text::Output(Digest::of("Grüße".as_bytes())),
            chunks: vec![4, 3],
            end: Some(End::Broken(GuestInferenceError::Timeout)),
        };
        assert_eq!(transcript.generations, [Heard::Refused(GuestInferenceError::TooLong(9)), said]);
        assert_eq!(
            transcript.inputs,
            BTreeMap::from([(0, Ok(Text::Request)), (7, Err(InputError::Denied))])
        );
        assert_eq!(transcript.stops, [1]);
        let json = serde_json::to_string(&transcript).unwrap();
        assert_eq!(serde_json::from_str::<Transcript>(&json).unwrap(), transcript);
    }

    /// Goal: a transcript has a bound in whatever fills it. Method: much text, and many answers without text.
    #[test]
    fn too_much_is_not_kept() {
        let mut recorder = Recorder::new();
        let generation = recorder.generation(None);
        recorder.chunk(generation, &"x".repeat(BYTES_MAX));
        assert_eq!(recorder.finish(None), None);
        let mut recorder = Recorder::new();
        for index in 0..u32::try_from(BYTES_MAX / ANSWER_BYTES).unwrap() + 1 {
            recorder.input(index, Err(InputError::Denied));
        }
        assert_eq!(recorder.finish(None), None);
    }
}
