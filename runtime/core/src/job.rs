//! A job as it was asked for, in words that no protocol owns.

use crate::{JobId, MessageId, Msat, PublicKey, UnixTime};
use serde::{Deserialize, Serialize};

/// Bytes that an outline has room for: a model and some numbers are less, a prompt is more.
const OUTLINE_BYTES_MAX: usize = 1024;

/// What a customer asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The event that asked.
    pub id: JobId,
    /// 5000 to 5999 (NIP-90).
    pub kind: u16,
    /// Who asked, and who hears the answer.
    pub customer: PublicKey,
    /// As the customer dated it.
    pub created_at: UnixTime,
    /// In the order given.
    pub inputs: Vec<Input>,
    /// In the order given; a name may come twice.
    pub params: Vec<Param>,
    /// MIME type asked for.
    pub output: Option<String>,
    /// The most the customer will pay.
    pub bid: Option<Msat>,
    /// Named us, rather than broadcast.
    pub targeted: bool,
    /// Arrived encrypted; the result will be encrypted too.
    pub confidential: bool,
    /// No answer is wanted after this.
    #[serde(default)]
    pub expires_at: Option<UnixTime>,
    /// The request as it came, opaque to the core, quoted in the result.
    pub origin: String,
}

/// One input. Guests get its text through the host, policies never.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Where the text is.
    pub source: InputSource,
    /// Where a message or a result may be found, in the market's words. A stranger's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What the customer calls it.
    pub marker: Option<String>,
}

impl InputSource {
    /// In the words of a request.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Gone(_) => "text",
            Self::Url(_) => "url",
            Self::Event(_) => "event",
            Self::Job(_) => "job",
        }
    }
}

/// Where an input's text is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputSource {
    /// In the request itself.
    Text(String),
    /// To be fetched.
    Url(String),
    /// In another event.
    Event(MessageId),
    /// The result of another job.
    Job(JobId),
    /// Text of so many bytes, in the request itself, that is no longer kept.
    Gone(u64),
}

impl Input {
    /// Bytes of text known before anything is fetched.
    pub fn bytes(&self) -> u64 {
        match &self.source {
            InputSource::Text(text) => text.len() as u64,
            InputSource::Gone(bytes) => *bytes,
            InputSource::Url(_) | InputSource::Event(_) | InputSource::Job(_) => 0,
        }
    }
}

/// A named setting of the job. Some kinds use several values (`range`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// As the customer wrote it.
    pub name: String,
    /// At least one.
    pub values: Vec<String>,
}

impl Job {
    /// A job that nobody has asked for, with nothing in it: for a guest that is only tried.
    pub const fn of_nobody(kind: u16) -> Self {
        Self {
            id: JobId::from_bytes([0; 32]),
            kind,
            customer: PublicKey::from_bytes([0; 32]),
            created_at: UnixTime::new(0),
            inputs: Vec::new(),
            params: Vec::new(),
            output: None,
            bid: None,
            targeted: true,
            confidential: false,
            expires_at: None,
            origin: String::new(),
        }
    }

    /// Bytes of all texts in the request itself.
    pub fn input_bytes(&self) -> u64 {
        self.inputs.iter().map(Input::bytes).sum()
    }

    /// What may be kept of a confidential job once nobody works on it: who, when, what kind, at most for how much.
    #[must_use]
    pub fn without_text(&self) -> Self {
        Self {
            inputs: Vec::new(),
            params: Vec::new(),
            output: None,
            origin: String::new(),
            ..*self
        }
    }

    /// What is kept of a job for good: no text, and what policies see of it, unless that is a text itself.
    #[must_use]
    pub fn outline(&self, public: &[String]) -> Self {
        let summary = self.summary(public);
        let is_text = !summary.is_short();
        let source = |source: &InputSource| match source {
            InputSource::Text(text) => InputSource::Gone(text.len() as u64),
            InputSource::Url(_) if is_text => InputSource::Url(String::new()),
            other => other.clone(),
        };
        let input = |input: &Input| Input {
            source: source(&input.source),
            hint: None,
            marker: input.marker.clone().filter(|_| !is_text),
        };
        Self {
            inputs: summary.inputs.iter().map(input).collect(),
            params: if is_text { Vec::new() } else { summary.params },
            output: summary.output.filter(|_| !is_text),
            origin: String::new(),
            ..*self
        }
    }

    /// Does its outline have all that policies see of it?
    pub fn fits_outline(&self, public: &[String]) -> bool {
        self.summary(public).is_short()
    }

    fn is_short(&self) -> bool {
        self.words().map(str::len).sum::<usize>() <= OUTLINE_BYTES_MAX
    }

    /// What policies see that a customer wrote.
    fn words(&self) -> impl Iterator<Item = &str> {
        let urls = self.inputs.iter().filter_map(|input| {
            if let InputSource::Url(url) = &input.source { Some(url.as_str()) } else { None }
        });
        let markers = self.inputs.iter().filter_map(|input| input.marker.as_deref());
        let params = self
            .params
            .iter()
            .flat_map(|param| std::iter::once(&param.name).chain(&param.values))
            .map(String::as_str);
        urls.chain(markers).chain(params).chain(self.output.as_deref())
    }

    /// Nothing has to be fetched.
    pub fn is_complete(&self) -> bool {
        self.inputs.iter().all(|input| matches!(input.source, InputSource::Text(_)))
    }

    /// A job without the params that its handler keeps private, and without the request that spells them out: what policies
    /// see and decisions record.
    #[must_use]
    pub fn summary(&self, public: &[String]) -> Self {
        Self {
            inputs: self.inputs.clone(),
            params: self
                .params
                .iter()
                .filter(|param| public.contains(&param.name))
                .cloned()
                .collect(),
            output: self.output.clone(),
            origin: String::new(),
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A summary carries neither private params nor the request that spells them out.
    #[test]
    fn a_summary_keeps_private_params_private() {
        let param = |name: &str| Param { name: name.into(), values: vec!["x".into()] };
        let job = Job {
            id: JobId::from_bytes([1; 32]),
            kind: 5050,
            customer: PublicKey::from_bytes([2; 32]),
            created_at: UnixTime::new(3),
            inputs: Vec::new(),
            params: vec![param("model"), param("command")],
            output: None,
            bid: Some(Msat::new(4)),
            targeted: true,
            confidential: false,
            expires_at: None,
            origin: "command".into(),
        };
        let public = Job { params: vec![param("model")], origin: String::new(), ..job.clone() };
        assert_eq!(job.summary(&["model".into()]), public);
    }

    /// Goal: what is kept for good has no text, and what policies saw of it as long as that is short. Method: a short and a long public param.
    #[test]
    fn an_outline_has_no_text() {
        let param =
            |name: &str, value: &str| Param { name: name.into(), values: vec![value.into()] };
        let input =
            |source| Input { source, hint: Some("wss://h".into()), marker: Some("m".into()) };
        let of = |model: &str| Job {
            id: JobId::from_bytes([1; 32]),
            kind: 5050,
            customer: PublicKey::from_bytes([2; 32]),
            created_at: UnixTime::new(3),
            inputs: vec![
                input(InputSource::Text("secret".into())),
                input(InputSource::Url("https://a/".into())),
            ],
            params: vec![param("model", model), param("system", "secret")],
            output: Some("text/plain".into()),
            bid: Some(Msat::new(4)),
            targeted: true,
            confidential: false,
            expires_at: None,
            origin: "secret".into(),
        };
        let public = ["model".to_owned()];
        let short = of("tiny").outline(&public);
        assert_eq!((short.input_bytes(), &short.params), (6, &vec![param("model", "tiny")]));
        assert_eq!(short.inputs[1].source, InputSource::Url("https://a/".into()));
        assert_eq!(
            (short.inputs[0].marker.as_deref(), short.output.as_deref()),
            (Some("m"), Some("text/plain"))
        );
        let long = of(&"secret".repeat(OUTLINE_BYTES_MAX)).outline(&public);
        assert_eq!((long.input_bytes(), long.params.len(), long.bid), (6, 0, Some(Msat::new(4))));
        let fits = |model: &str| of(model).fits_outline(&public);
        assert_eq!((fits("tiny"), fits(&"secret".repeat(OUTLINE_BYTES_MAX))), (true, false));
        for outline in [short, long] {
            let debug = format!("{outline:?}");
            assert!(!debug.contains("secret") && !debug.contains("wss:"), "{debug}");
            assert_eq!(outline.outline(&public), outline);
        }
    }
}
