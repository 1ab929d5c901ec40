//! The texts of a job, as long as the journal keeps them: what was asked and what was answered.

use pylon_core::machine::{Delivery, JobState};
use pylon_core::text::{sanitize, sanitize_line};
use pylon_core::units::format_utc;
use pylon_core::{Input, InputSource, Param};
use serde_json::{Value, json};

/// Why the texts cannot be shown.
fn absent(state: &JobState) -> Option<String> {
    if state.job.confidential {
        let why = "The job is confidential: its texts are kept encrypted, and only as long as it \
                   needs them.";
        return Some(why.into());
    }
    let at = format_utc(state.text_purged_at?);
    Some(format!("The texts were deleted on {at} UTC (`[journal]` says how long they are kept)."))
}

/// For a person.
pub(super) fn page(state: &JobState) -> String {
    if let Some(why) = absent(state) {
        return format!("\n{why}\n");
    }
    let mut out = String::from("\nAsked:\n");
    for Input { source, marker, .. } in &state.job.inputs {
        let marker = marker.as_deref().filter(|marker| !marker.is_empty());
        let marker =
            marker.map(|marker| format!(" ({})", sanitize_line(marker))).unwrap_or_default();
        out += &match source {
            InputSource::Text(text) => format!("{}{marker}\n", sanitize(text)),
            InputSource::Url(url) => format!("url {}{marker}\n", sanitize_line(url)),
            InputSource::Event(id) => format!("event {id}{marker}\n"),
            InputSource::Job(id) => format!("result of job {id}{marker}\n"),
            InputSource::Purged(bytes) => format!("{bytes} bytes, deleted{marker}\n"),
        };
    }
    for Param { name, values } in &state.job.params {
        out += &sanitize_line(&format!("{name} = {}", values.join(", ")));
        out.push('\n');
    }
    let note = match state.delivery {
        Delivery::Delivered | Delivery::Queued => "",
        Delivery::InReview => " (waits for review)",
        Delivery::None | Delivery::Failed => " (not delivered)",
    };
    out + &match &state.output {
        Some(output) => format!("\nAnswered{note}:\n{}\n", sanitize(&output.content)),
        None => "\nThere is no answer.\n".into(),
    }
}

/// For programs; `null` if the texts cannot be shown.
pub(super) fn value(state: &JobState) -> Value {
    if absent(state).is_some() {
        return Value::Null;
    }
    json!({"inputs": state.job.inputs, "params": state.job.params, "output": state.output})
}
