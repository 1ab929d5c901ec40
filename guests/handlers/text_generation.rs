//! Kind 5050: text from a prompt. All text inputs make one prompt; the params are those of the registry of kinds, in both spellings.
//!
//! Params come as text from strangers: what is not a number or out of range is the customer's mistake and told in one line, never guessed.
//! Which model answers is not decided here, but by the routing policy.

use pylon_guest::Params;
use pylon_guest::description::{About, Bounds, ParamHelp, ServedKind, Setting, Want};
use pylon_guest::handler::inference::{
    Finish, InferenceError, Message, Request, Role, Summary, generate,
};
use pylon_guest::handler::inputs::{InputError, read};
use pylon_guest::handler::log::{Level, write};
use pylon_guest::handler::progress::partial;
use pylon_guest::handler::{Handler, JobError};
use pylon_guest::types::{Attribute, Job, Output};
use std::str::FromStr;

const KIND: u16 = 5050;
/// Each call hands over all of the text, so it must have grown by this much, and by this part of what was shown: then all calls together
/// carry a small multiple of the text, however long it is.
const PARTIAL_BYTES: usize = 24;
const PARTIAL_PART: usize = 16;
const STOPS: usize = 16;
const STOP_BYTES: usize = 256;

struct TextGeneration;

impl Handler for TextGeneration {
    fn describe() -> About {
        let param = |name: &str, help: &str, public| ParamHelp {
            name: name.into(),
            help: help.into(),
            required: false,
            public,
        };
        let params = vec![
            param("model", "Model, or backend/model; by default the provider's.", true),
            param(
                "max_tokens",
                "Tokens written at most, from 1; the provider's limit holds.",
                true,
            ),
            param("temperature", "0 to 2.", false),
            param("top_p", "Above 0, up to 1; also `top-p`.", false),
            param("top_k", "From 1; also `top-k`.", false),
            param("frequency_penalty", "-2 to 2; also `frequency-penalty`.", false),
            param("stop", "Up to 16 texts at which to stop, as values.", false),
            param("seed", "Whole number; best effort.", false),
            param("system", "Rules for the conversation.", false),
        ];
        About {
            name: "text_generation".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Answers a prompt with a language model.".into(),
            settings: vec![Setting::new(
                "system",
                "",
                "Rules for each conversation that brings none of its own.",
            )],
            kinds: vec![ServedKind { kind: KIND, summary: "Text generation".into(), params }],
            wants: vec![
                Want::Inference,
                Want::Progress,
                Want::Urls(vec!["*".into()]),
                Want::Events,
                Want::Jobs,
            ],
            bounds: Some(Bounds {
                wall_ms: 300_000,
                cpu_ms: 2000,
                memory_bytes: 32 << 20,
                output_bytes: 1 << 20,
            }),
        }
    }

    fn run(job: &Job, settings: Params<'_>, _deadline_ms: u64) -> Result<Output, JobError> {
        let mime = mime(job)?;
        let mut request = sampling(job.params())?;
        request.messages = messages(job, settings)?;
        let (content, summary) = answer(&request)?;
        let finish = match summary.finish {
            Finish::Complete => "complete",
            Finish::Length => "length",
        };
        let mut attributes =
            vec![attribute("model", summary.model), attribute("finish", finish.into())];
        if !summary.ignored_params.is_empty() {
            attributes.push(attribute("ignored", summary.ignored_params.join(",")));
        }
        Ok(Output { content, mime, attributes })
    }
}

/// Text and Markdown are the same to a model; anything else would be a lie.
fn mime(job: &Job) -> Result<String, JobError> {
    let asked = job.output.as_deref().unwrap_or("text/plain");
    let essence = asked.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "" => Ok("text/plain".into()),
        "text/plain" | "text/markdown" => Ok(essence),
        _ => Err(JobError::Invalid("output: text/plain or text/markdown".into())),
    }
}

fn sampling(params: Params<'_>) -> Result<Request, JobError> {
    let stop: Vec<String> =
        params.values("stop").iter().filter(|text| !text.is_empty()).cloned().collect();
    if stop.len() > STOPS || stop.iter().any(|text| text.len() > STOP_BYTES) {
        return Err(JobError::Invalid(format!(
            "stop: at most {STOPS} texts of {STOP_BYTES} bytes"
        )));
    }
    Ok(Request {
        messages: Vec::new(),
        max_tokens: number(params, "max_tokens", "a whole number from 1", |tokens: &u32| {
            *tokens >= 1
        })?,
        temperature: number(params, "temperature", "a number from 0 to 2", |value: &f32| {
            (0.0..=2.0).contains(value)
        })?,
        top_p: number(params, "top_p", "a number above 0, up to 1", |value: &f32| {
            *value > 0.0 && *value <= 1.0
        })?,
        top_k: number(params, "top_k", "a whole number from 1", |value: &u32| *value >= 1)?,
        frequency_penalty: number(
            params,
            "frequency_penalty",
            "a number from -2 to 2",
            |value: &f32| value.abs() <= 2.0,
        )?,
        stop,
        seed: number(params, "seed", "a whole number", |_: &u64| true)?,
        schema: None,
    })
}

/// A param under either spelling. No range holds NaN or infinity.
fn number<T: FromStr>(
    params: Params<'_>,
    name: &str,
    must: &str,
    holds: fn(&T) -> bool,
) -> Result<Option<T>, JobError> {
    let invalid = || JobError::Invalid(format!("{name}: must be {must}"));
    let spelled = params.parse(name).map_err(|_| invalid())?;
    let value = match spelled {
        Some(value) => Some(value),
        None => params.parse(&name.replace('_', "-")).map_err(|_| invalid())?,
    };
    match value {
        Some(value) if !holds(&value) => Err(invalid()),
        value => Ok(value),
    }
}

fn messages(job: &Job, settings: Params<'_>) -> Result<Vec<Message>, JobError> {
    let mut texts = Vec::new();
    for index in (0..).take(job.inputs.len()) {
        texts.push(read(index).map_err(|error| unread(index, error))?);
    }
    let prompt = texts.join("\n\n");
    if prompt.trim().is_empty() {
        return Err(JobError::Invalid("no prompt: every input is empty".into()));
    }
    let system = job.params().text("system").or_else(|| settings.text("system"));
    let system = system.map(|rules| Message { role: Role::System, content: rules.into() });
    Ok(system.into_iter().chain([Message { role: Role::User, content: prompt }]).collect())
}

/// Reads the answer to its end and shows what is there meanwhile.
fn answer(request: &Request) -> Result<(String, Summary), JobError> {
    let completion = generate(request).map_err(no_text)?;
    let (mut text, mut shown) = (String::new(), 0);
    while let Some(more) = completion.next().map_err(no_text)? {
        text.push_str(&more);
        if text.len() - shown >= PARTIAL_BYTES.max(shown / PARTIAL_PART) {
            shown = text.len();
            if !partial(&text) {
                return Err(JobError::Failed("cancelled".into()));
            }
        }
    }
    let summary = completion.finish().map_err(no_text)?;
    Ok((text, summary))
}

fn unread(index: u32, error: InputError) -> JobError {
    let input = index + 1;
    match error {
        InputError::Denied => {
            JobError::Invalid(format!("input {input}: not allowed here, send the text itself"))
        }
        InputError::Unreachable => JobError::Invalid(format!("input {input}: cannot be reached")),
        InputError::TooLarge(bytes) => {
            JobError::Invalid(format!("input {input}: larger than {bytes} bytes"))
        }
        InputError::NotText => JobError::Invalid(format!("input {input}: not text")),
        InputError::Timeout => JobError::Timeout,
        InputError::Other(why) => {
            write(Level::Error, &why);
            JobError::Failed(format!("input {input} cannot be read"))
        }
    }
}

fn no_text(error: InferenceError) -> JobError {
    match error {
        InferenceError::NoBackend => JobError::NoBackend,
        InferenceError::TooLong(tokens) => {
            JobError::Invalid(format!("the prompt is longer than {tokens} tokens"))
        }
        InferenceError::Unsupported(what) => JobError::Invalid(format!("unsupported: {what}")),
        InferenceError::Timeout => JobError::Timeout,
        InferenceError::Denied => {
            JobError::Failed("over the generations that a job may start".into())
        }
        InferenceError::Cancelled => JobError::Failed("cancelled".into()),
        InferenceError::Other(why) => JobError::Failed(why),
    }
}

fn attribute(name: &str, value: String) -> Attribute {
    Attribute { name: name.into(), value }
}

pylon_guest::handler::export!(TextGeneration);
