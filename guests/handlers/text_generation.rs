//! Kind 5050: text from a prompt. All input texts together are the prompt; the parameters are those
//! of the NIP-90 registry, in both spellings.
//!
//! Parameters are untrusted text. A value that is not a number or out of range is refused with a
//! message to the customer. The routing policy decides which model answers.

use pylon_guest::Params;
use pylon_guest::description::{Capability, Limits, Manifest, ParamHelp, ServedKind, Setting};
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
/// Each partial output contains all text so far. The next one is sent after the text has grown by
/// this many bytes and by this fraction, so that all of them together are a small multiple of the
/// text.
const PARTIAL_GROWTH_BYTES_MIN: usize = 24;
const PARTIAL_GROWTH_DIVISOR: usize = 16;
const STOPS_MAX: usize = 16;
const STOP_BYTES_MAX: usize = 256;

struct TextGeneration;

impl Handler for TextGeneration {
    fn describe() -> Manifest {
        let param = |name: &str, help: &str, public| ParamHelp {
            name: name.into(),
            help: help.into(),
            required: false,
            public,
        };
        let params = vec![
            param("model", "Model, or backend/model; default: the provider's choice.", true),
            param(
                "max_tokens",
                "Upper limit of tokens written, at least 1; the provider's limit also applies.",
                true,
            ),
            param("temperature", "0 to 2.", false),
            param("top_p", "Above 0, up to 1; also `top-p`.", false),
            param("top_k", "At least 1; also `top-k`.", false),
            param("frequency_penalty", "-2 to 2; also `frequency-penalty`.", false),
            param("stop", "Up to 16 texts before which generation stops, as values.", false),
            param("seed", "Whole number; best effort.", false),
            param("system", "Instructions for the model.", false),
        ];
        Manifest {
            name: "text_generation".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Answers a prompt with a language model.".into(),
            settings: vec![Setting::new(
                "system",
                "",
                "Instructions for the model if a job has none.",
            )],
            kinds: vec![ServedKind { kind: KIND, summary: "Text generation".into(), params }],
            requests: vec![
                Capability::Inference,
                Capability::Progress,
                Capability::Urls(vec!["*".into()]),
                Capability::Events,
                Capability::Jobs,
            ],
            limits: Some(Limits {
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

/// A model writes text and Markdown alike; it cannot promise any other type.
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
    if stop.len() > STOPS_MAX || stop.iter().any(|text| text.len() > STOP_BYTES_MAX) {
        return Err(JobError::Invalid(format!(
            "stop: at most {STOPS_MAX} texts of {STOP_BYTES_MAX} bytes"
        )));
    }
    Ok(Request {
        messages: Vec::new(),
        max_tokens: number(params, "max_tokens", "a whole number, at least 1", |tokens: &u32| {
            *tokens >= 1
        })?,
        temperature: number(params, "temperature", "a number from 0 to 2", |value: &f32| {
            (0.0..=2.0).contains(value)
        })?,
        top_p: number(params, "top_p", "a number above 0, up to 1", |value: &f32| {
            *value > 0.0 && *value <= 1.0
        })?,
        top_k: number(params, "top_k", "a whole number, at least 1", |value: &u32| *value >= 1)?,
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

/// A parameter in either spelling. NaN and infinity are in no range.
fn number<T: FromStr>(
    params: Params<'_>,
    name: &str,
    range: &str,
    is_in_range: fn(&T) -> bool,
) -> Result<Option<T>, JobError> {
    let invalid = || JobError::Invalid(format!("{name}: must be {range}"));
    let value = params.parse(name).map_err(|_| invalid())?;
    let value = match value {
        Some(value) => Some(value),
        None => params.parse(&name.replace('_', "-")).map_err(|_| invalid())?,
    };
    match value {
        Some(value) if !is_in_range(&value) => Err(invalid()),
        value => Ok(value),
    }
}

fn messages(job: &Job, settings: Params<'_>) -> Result<Vec<Message>, JobError> {
    let mut texts = Vec::new();
    for index in (0..).take(job.inputs.len()) {
        texts.push(read(index).map_err(|error| input_error(index, error))?);
    }
    let prompt = texts.join("\n\n");
    if prompt.trim().is_empty() {
        return Err(JobError::Invalid("no prompt: every input is empty".into()));
    }
    let system = job.params().text("system").or_else(|| settings.text("system"));
    let system = system.map(|rules| Message { role: Role::System, content: rules.into() });
    Ok(system.into_iter().chain([Message { role: Role::User, content: prompt }]).collect())
}

/// Reads the whole answer, and sends partial outputs.
fn answer(request: &Request) -> Result<(String, Summary), JobError> {
    let completion = generate(request).map_err(job_error)?;
    let (mut text, mut sent) = (String::new(), 0);
    while let Some(more) = completion.next().map_err(job_error)? {
        text.push_str(&more);
        if text.len() - sent >= PARTIAL_GROWTH_BYTES_MIN.max(sent / PARTIAL_GROWTH_DIVISOR) {
            sent = text.len();
            if !partial(&text) {
                return Err(JobError::Failed("cancelled".into()));
            }
        }
    }
    let summary = completion.finish().map_err(job_error)?;
    Ok((text, summary))
}

fn input_error(index: u32, error: InputError) -> JobError {
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
        InputError::Other(reason) => {
            write(Level::Error, &reason);
            JobError::Failed(format!("input {input} cannot be read"))
        }
    }
}

fn job_error(error: InferenceError) -> JobError {
    match error {
        InferenceError::NoBackend => JobError::NoBackend,
        InferenceError::TooLong(tokens) => {
            JobError::Invalid(format!("the prompt is longer than {tokens} tokens"))
        }
        InferenceError::Unsupported(what) => JobError::Invalid(format!("unsupported: {what}")),
        InferenceError::Timeout => JobError::Timeout,
        InferenceError::Denied => {
            JobError::Failed("the job reached its limit of completions".into())
        }
        InferenceError::Cancelled => JobError::Failed("cancelled".into()),
        InferenceError::Other(reason) => JobError::Failed(reason),
    }
}

fn attribute(name: &str, value: String) -> Attribute {
    Attribute { name: name.into(), value }
}

pylon_guest::handler::export!(TextGeneration);
