//! The work of a job kind: a language model summarizes the input texts.

use pylon_guest::Params;
use pylon_guest::description::{Capability, Limits, Manifest, ParamHelp, ServedKind, Setting};
use pylon_guest::handler::inference::{InferenceError, Message, Request, Role, generate};
use pylon_guest::handler::{Handler, JobError, inputs};
use pylon_guest::types::{Attribute, Job, Output};

const KIND: u16 = 5999;

struct Summarizer;

impl Handler for Summarizer {
    fn describe() -> Manifest {
        let max_tokens = ParamHelp {
            name: "max_tokens".into(),
            help: "Upper limit of tokens written; the offer's limit also applies.".into(),
            required: false,
            public: true,
        };
        Manifest {
            name: env!("CARGO_PKG_NAME").into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Summarizes texts.".into(),
            settings: vec![Setting::new(
                "rules",
                "Summarize the text in one sentence.",
                "Instructions for the model.",
            )],
            kinds: vec![ServedKind {
                kind: KIND,
                summary: "Summary of a text".into(),
                params: vec![max_tokens],
            }],
            requests: vec![Capability::Inference],
            limits: Some(Limits {
                wall_ms: 120_000,
                cpu_ms: 1000,
                memory_bytes: 16 << 20,
                output_bytes: 256 << 10,
            }),
        }
    }

    fn run(job: &Job, settings: Params<'_>, _deadline_ms: u64) -> Result<Output, JobError> {
        let rules = settings.text("rules").unwrap_or_default().into();
        let mut texts = Vec::new();
        for index in (0..).take(job.inputs.len()) {
            let text = inputs::read(index).map_err(|_| {
                JobError::Invalid(format!("input {}: cannot be read", index + 1))
            })?;
            texts.push(text);
        }
        let text = texts.join("\n\n");
        if text.trim().is_empty() {
            return Err(JobError::Invalid("no text: every input is empty".into()));
        }
        let max_tokens = job
            .params()
            .parse("max_tokens")
            .map_err(|_| JobError::Invalid("max_tokens: must be a number".into()))?;
        let request = Request {
            messages: vec![
                Message { role: Role::System, content: rules },
                Message { role: Role::User, content: text },
            ],
            max_tokens,
            temperature: None,
            top_p: None,
            top_k: None,
            frequency_penalty: None,
            stop: Vec::new(),
            seed: None,
            schema: None,
        };
        answer(&request).map_err(job_error)
    }
}

/// The complete answer, with the model's name as an attribute.
fn answer(request: &Request) -> Result<Output, InferenceError> {
    let completion = generate(request)?;
    let mut content = String::new();
    while let Some(text) = completion.next()? {
        content.push_str(&text);
    }
    let model = Attribute { name: "model".into(), value: completion.finish()?.model };
    Ok(Output { content, mime: "text/plain".into(), attributes: vec![model] })
}

/// The text of the error is sent to the customer.
fn job_error(error: InferenceError) -> JobError {
    match error {
        InferenceError::NoBackend => JobError::NoBackend,
        InferenceError::Timeout => JobError::Timeout,
        InferenceError::TooLong(tokens) => {
            JobError::Invalid(format!("the text is longer than {tokens} tokens"))
        }
        InferenceError::Unsupported(what) => JobError::Invalid(format!("unsupported: {what}")),
        InferenceError::Denied | InferenceError::Cancelled => JobError::Failed("stopped".into()),
        InferenceError::Other(reason) => JobError::Failed(reason),
    }
}

pylon_guest::handler::export!(Summarizer);
