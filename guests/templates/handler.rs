//! What a job of this kind does: a model says in few words what the inputs say in many.

use pylon_guest::Params;
use pylon_guest::description::{About, Bounds, ParamHelp, ServedKind, Setting, Want};
use pylon_guest::handler::inference::{InferenceError, Message, Request, Role, generate};
use pylon_guest::handler::{Handler, JobError, inputs};
use pylon_guest::types::{Attribute, Job, Output};

const KIND: u16 = 5999;

struct Work;

impl Handler for Work {
    fn describe() -> About {
        let help = "Tokens written at most; the offer's limit holds.".into();
        let params = vec![ParamHelp { name: "max_tokens".into(), help, required: false, public: true }];
        About {
            name: env!("CARGO_PKG_NAME").into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Says it in few words.".into(),
            settings: vec![Setting::new("rules", "Say in one sentence what the text says.", "What the model is told first.")],
            kinds: vec![ServedKind { kind: KIND, summary: "Summary of a text".into(), params }],
            wants: vec![Want::Inference],
            bounds: Some(Bounds { wall_ms: 120_000, cpu_ms: 1000, memory_bytes: 16 << 20, output_bytes: 256 << 10 }),
        }
    }

    fn run(job: &Job, settings: Params<'_>, _deadline_ms: u64) -> Result<Output, JobError> {
        let mut texts = Vec::new();
        for index in (0..).take(job.inputs.len()) {
            texts.push(inputs::read(index).map_err(|_| JobError::Invalid(format!("input {}: cannot be read", index + 1)))?);
        }
        let text = texts.join("\n\n");
        if text.trim().is_empty() {
            return Err(JobError::Invalid("no text: every input is empty".into()));
        }
        let max_tokens = job.params().parse("max_tokens").map_err(|_| JobError::Invalid("max_tokens: must be a number".into()))?;
        let rules = settings.text("rules").unwrap_or_default().into();
        let messages = vec![Message { role: Role::System, content: rules }, Message { role: Role::User, content: text }];
        let (content, model) = answer(&Request {
            messages,
            max_tokens,
            temperature: None,
            top_p: None,
            top_k: None,
            frequency_penalty: None,
            stop: Vec::new(),
            seed: None,
            schema: None,
        })
        .map_err(no_text)?;
        let attributes = vec![Attribute { name: "model".into(), value: model }];
        Ok(Output { content, mime: "text/plain".into(), attributes })
    }
}

/// All of the answer, and who gave it.
fn answer(request: &Request) -> Result<(String, String), InferenceError> {
    let completion = generate(request)?;
    let mut text = String::new();
    while let Some(more) = completion.next()? {
        text.push_str(&more);
    }
    Ok((text, completion.finish()?.model))
}

/// The customer reads these words.
fn no_text(error: InferenceError) -> JobError {
    match error {
        InferenceError::NoBackend => JobError::NoBackend,
        InferenceError::Timeout => JobError::Timeout,
        InferenceError::TooLong(tokens) => JobError::Invalid(format!("the text is longer than {tokens} tokens")),
        InferenceError::Unsupported(what) => JobError::Invalid(format!("unsupported: {what}")),
        InferenceError::Denied | InferenceError::Cancelled => JobError::Failed("stopped".into()),
        InferenceError::Other(why) => JobError::Failed(why),
    }
}

pylon_guest::handler::export!(Work);
