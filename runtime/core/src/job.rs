//! A job as requested, independent of any protocol.

use crate::input::{Input, InputSource};
use crate::{JobId, Msat, PublicKey, UnixTime};
use serde::{Deserialize, Serialize};

/// Limit of the customer's text in a retained view: enough for a model and some numbers, not for a
/// prompt.
const RETAINED_BYTES_MAX: usize = 1024;

/// A request of a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The id of the request event.
    pub id: JobId,
    /// 5000 to 5999 (NIP-90).
    pub kind: u16,
    /// The author of the request.
    pub customer: PublicKey,
    /// As dated by the customer.
    pub created_at: UnixTime,
    /// In the order given.
    pub inputs: Vec<Input>,
    /// In the order given; a name may be repeated.
    pub params: Vec<Param>,
    /// The requested MIME type.
    pub output: Option<String>,
    /// The most the customer will pay.
    pub bid: Option<Msat>,
    /// Whether the request names this node; otherwise it is a broadcast.
    pub targeted: bool,
    /// Whether the request was encrypted; then the result is encrypted too.
    pub confidential: bool,
    /// No answer is wanted after this.
    #[serde(default)]
    pub expires_at: Option<UnixTime>,
    /// The original request, opaque to the core, quoted in the result.
    pub origin: String,
}

/// A named setting of a job. Some kinds use several values (`range`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// As written by the customer.
    pub name: String,
    /// At least one.
    pub values: Vec<String>,
}

/// Why a handler returns no output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobError {
    /// The request is invalid: reported to the customer, not charged.
    Invalid(String),
    /// No backend can do the work.
    NoBackend,
    /// Too slow.
    Timeout,
    /// Anything else, with a message for the customer.
    Failed(String),
    /// The guest cannot use the operator's value of this setting.
    InvalidSetting(String),
}

impl JobError {
    /// Replaces the message, which may quote the request.
    #[must_use]
    pub fn redact(&self, with: impl Fn(&str) -> String) -> Self {
        match self {
            Self::NoBackend | Self::Timeout => self.clone(),
            Self::Invalid(why) => Self::Invalid(with(why)),
            Self::Failed(why) => Self::Failed(with(why)),
            Self::InvalidSetting(name) => Self::InvalidSetting(with(name)),
        }
    }
}

impl Job {
    /// An empty job of no customer, to try a guest with.
    pub const fn placeholder(kind: u16) -> Self {
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

    /// Whether all inputs are in the request, so that nothing has to be fetched.
    pub fn is_complete(&self) -> bool {
        self.inputs.iter().all(|input| matches!(input.source, InputSource::Text(_)))
    }

    /// What policies see and decisions record: without the handler's private params, and without
    /// the original request that contains them.
    #[must_use]
    pub fn policy_view(&self, public: &[String]) -> Self {
        let is_public = |param: &&Param| public.contains(&param.name);
        Self {
            inputs: self.inputs.clone(),
            params: self.params.iter().filter(is_public).cloned().collect(),
            output: self.output.clone(),
            origin: String::new(),
            ..*self
        }
    }

    /// The view of a confidential job that is kept after its work: ids, dates, kind and bid.
    #[must_use]
    pub fn redacted(&self) -> Self {
        Self {
            inputs: Vec::new(),
            params: Vec::new(),
            output: None,
            origin: String::new(),
            ..*self
        }
    }

    /// The view of a job that is kept permanently: no input text, and only short texts of the
    /// policy view.
    #[must_use]
    pub fn retained_view(&self, public: &[String]) -> Self {
        let view = self.policy_view(public);
        let is_short = view.is_short();
        let source = |source: &InputSource| match source {
            InputSource::Text(text) => InputSource::Purged(text.len() as u64),
            InputSource::Url(_) if !is_short => InputSource::Url(String::new()),
            other => other.clone(),
        };
        let input = |input: &Input| Input {
            source: source(&input.source),
            hint: None,
            marker: input.marker.clone().filter(|_| is_short),
        };
        Self {
            inputs: view.inputs.iter().map(input).collect(),
            params: if is_short { view.params } else { Vec::new() },
            output: view.output.filter(|_| is_short),
            origin: String::new(),
            ..*self
        }
    }

    /// Whether the retained view has everything that policies see.
    pub fn fits_retained_view(&self, public: &[String]) -> bool {
        self.policy_view(public).is_short()
    }

    fn is_short(&self) -> bool {
        self.policy_texts().map(str::len).sum::<usize>() <= RETAINED_BYTES_MAX
    }

    /// The customer's texts that policies see.
    fn policy_texts(&self) -> impl Iterator<Item = &str> {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A policy view has neither private params nor the original request.
    #[test]
    fn policy_view_has_no_private_params() {
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
        assert_eq!(job.policy_view(&["model".into()]), public);
    }

    /// Goal: a retained view has no input text, and what policies saw only if it is short. Method:
    /// a short and a long public param.
    #[test]
    fn retained_view_has_no_text() {
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
        let short = of("tiny").retained_view(&public);
        assert_eq!((short.input_bytes(), &short.params), (6, &vec![param("model", "tiny")]));
        assert_eq!(short.inputs[1].source, InputSource::Url("https://a/".into()));
        assert_eq!(
            (short.inputs[0].marker.as_deref(), short.output.as_deref()),
            (Some("m"), Some("text/plain"))
        );
        let long = of(&"secret".repeat(RETAINED_BYTES_MAX)).retained_view(&public);
        assert_eq!((long.input_bytes(), long.params.len(), long.bid), (6, 0, Some(Msat::new(4))));
        let fits = |model: &str| of(model).fits_retained_view(&public);
        assert_eq!((fits("tiny"), fits(&"secret".repeat(RETAINED_BYTES_MAX))), (true, false));
        for view in [short, long] {
            let debug = format!("{view:?}");
            assert!(!debug.contains("secret") && !debug.contains("wss:"), "{debug}");
            assert_eq!(view.retained_view(&public), view);
        }
    }
}
