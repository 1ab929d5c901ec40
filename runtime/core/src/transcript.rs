//! The host's replies to a handler in one attempt: everything needed to run the same work again
//! without a backend. The handler's own calls are not stored: it would make the same ones again.

use crate::Digest;
use crate::completion::{CompletionSummary, GuestInferenceError};
use crate::input::InputError;
use crate::work::Output;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Limit of one transcript. A longer one is not kept, and its attempt cannot be replayed.
pub const BYTES_MAX: usize = 1 << 20;
/// Approximate size of a reply without its text.
const REPLY_BYTES: usize = 32;

/// The host's replies, as far as they can differ.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// Completions, in the order of the requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub completions: Vec<HostReply>,
    /// Inputs that were read, by index.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<u32, Result<RecordedText, InputError>>,
    /// Which progress reports and partial results were answered with "stop", counted together
    /// from 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stops: Vec<u32>,
    /// Errors of backends in their own words, for the operator. The handler does not see them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backend_errors: Vec<String>,
}

/// The host's reply to a completion request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostReply {
    /// It was refused.
    Refused(GuestInferenceError),
    /// It was streamed.
    Answered {
        /// The whole text.
        text: RecordedText,
        /// Lengths of the chunks in bytes. The rest of the text was not read.
        chunks: Vec<u32>,
        /// The end of the stream; absent if the handler did not read that far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<StreamEnd>,
    },
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamEnd {
    /// Normally, with a summary.
    Complete(Option<CompletionSummary>),
    /// With an error.
    Broken(GuestInferenceError),
}

/// A text, or where it is already stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordedText {
    /// In the transcript.
    Inline(String),
    /// In the handler's output, with this SHA-256.
    Output(Digest),
    /// In the request.
    Request,
}

/// Records the transcript of a running attempt.
#[derive(Debug, Default)]
pub struct Recorder {
    /// `None` once it exceeded the limit.
    transcript: Option<Transcript>,
    bytes: usize,
    feedback_count: u32,
}

impl Recorder {
    /// An empty transcript.
    pub fn new() -> Self {
        Self { transcript: Some(Transcript::default()), ..Self::default() }
    }

    /// A completion was requested. Returns its index.
    pub fn completion(&mut self, refused: Option<GuestInferenceError>) -> usize {
        let reply = match refused {
            Some(error) => HostReply::Refused(error),
            None => HostReply::Answered {
                text: RecordedText::Inline(String::new()),
                chunks: Vec::new(),
                end: None,
            },
        };
        let Some(transcript) = self.transcript_for(0) else { return 0 };
        transcript.completions.push(reply);
        transcript.completions.len() - 1
    }

    /// More text of a completion.
    pub fn chunk(&mut self, completion: usize, more: &str) {
        let length = u32::try_from(more.len()).unwrap_or(u32::MAX);
        let Some(reply) = self
            .transcript_for(more.len())
            .and_then(|transcript| transcript.completions.get_mut(completion))
        else {
            return;
        };
        if let HostReply::Answered { text: RecordedText::Inline(text), chunks, .. } = reply {
            text.push_str(more);
            chunks.push(length);
        }
    }

    /// The end of a completion.
    pub fn end(&mut self, completion: usize, how: StreamEnd) {
        let Some(reply) = self
            .transcript_for(0)
            .and_then(|transcript| transcript.completions.get_mut(completion))
        else {
            return;
        };
        if let HostReply::Answered { end, .. } = reply {
            *end = Some(how);
        }
    }

    /// An input was read. Repeated reads are recorded once.
    pub fn input(&mut self, index: u32, text: Result<RecordedText, InputError>) {
        if self.transcript.as_ref().is_none_or(|transcript| transcript.inputs.contains_key(&index))
        {
            return;
        }
        let bytes = if let Ok(RecordedText::Inline(text)) = &text { text.len() } else { 0 };
        if let Some(transcript) = self.transcript_for(bytes) {
            transcript.inputs.insert(index, text);
        }
    }

    /// A progress report or a partial result was answered.
    pub fn feedback(&mut self, accepted: bool) {
        let number = self.feedback_count;
        self.feedback_count = self.feedback_count.saturating_add(1);
        if !accepted && let Some(transcript) = self.transcript_for(0) {
            transcript.stops.push(number);
        }
    }

    /// The transcript of an attempt with this output; `None` if it exceeded the limit.
    pub fn finish(&mut self, output: Option<&Output>) -> Option<Transcript> {
        let mut transcript = self.transcript.take()?;
        for reply in &mut transcript.completions {
            if let HostReply::Answered { text, .. } = reply
                && let RecordedText::Inline(inline) = text
                && output.is_some_and(|output| output.content == *inline)
            {
                *text = RecordedText::Output(Digest::of(inline.as_bytes()));
            }
        }
        Some(transcript)
    }

    fn transcript_for(&mut self, bytes: usize) -> Option<&mut Transcript> {
        self.bytes = self.bytes.saturating_add(bytes).saturating_add(REPLY_BYTES);
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

    /// Goal: all replies are recorded, and texts stored elsewhere are not stored again. Method: one
    /// reply of each type, through JSON.
    #[test]
    fn every_reply_is_recorded_once() {
        let mut recorder = Recorder::new();
        recorder.completion(Some(GuestInferenceError::TooLong(9)));
        let second = recorder.completion(None);
        recorder.chunk(second, "Grü");
        recorder.chunk(second, "ße");
        recorder.end(second, StreamEnd::Broken(GuestInferenceError::Timeout));
        recorder.input(0, Ok(RecordedText::Request));
        recorder.input(0, Err(InputError::Denied));
        recorder.input(7, Err(InputError::Denied));
        for accepted in [true, false, true] {
            recorder.feedback(accepted);
        }
        let transcript = recorder.finish(Some(&output("Grüße"))).unwrap();
        let answered = HostReply::Answered {
            text: RecordedText::Output(Digest::of("Grüße".as_bytes())),
            chunks: vec![4, 3],
            end: Some(StreamEnd::Broken(GuestInferenceError::Timeout)),
        };
        assert_eq!(
            transcript.completions,
            [HostReply::Refused(GuestInferenceError::TooLong(9)), answered]
        );
        assert_eq!(
            transcript.inputs,
            BTreeMap::from([(0, Ok(RecordedText::Request)), (7, Err(InputError::Denied))])
        );
        assert_eq!(transcript.stops, [1]);
        let json = serde_json::to_string(&transcript).unwrap();
        assert_eq!(serde_json::from_str::<Transcript>(&json).unwrap(), transcript);
    }

    /// Goal: a transcript is bounded. Method: a long text, and many replies without text.
    #[test]
    fn transcript_over_the_limit_is_dropped() {
        let mut recorder = Recorder::new();
        let completion = recorder.completion(None);
        recorder.chunk(completion, &"x".repeat(BYTES_MAX));
        assert_eq!(recorder.finish(None), None);
        let mut recorder = Recorder::new();
        for index in 0..u32::try_from(BYTES_MAX / REPLY_BYTES).unwrap() + 1 {
            recorder.input(index, Err(InputError::Denied));
        }
        assert_eq!(recorder.finish(None), None);
    }
}
