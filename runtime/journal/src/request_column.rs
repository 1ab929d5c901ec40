//! The column `request`. The original event contains most texts of the request; such a text is
//! stored only there, and the rest of the column says where.

use pylon_core::{InputSource, Job};
use serde::{Deserialize, Serialize};

/// Shorter texts are stored twice: a reference would not save much.
const REFERENCED_BYTES_MIN: usize = 64;

/// The JSON of the column: a job, some of whose texts are empty and found in its `origin`.
#[derive(Serialize, Deserialize)]
struct Column {
    #[serde(flatten)]
    job: Job,
    /// The number of the text in [`texts`], and the offset in `origin` of the same text as a JSON
    /// string.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    quoted: Vec<(usize, usize)>,
}

pub(super) fn write(job: &Job) -> serde_json::Result<String> {
    let mut stored = Column { job: job.clone(), quoted: Vec::new() };
    let origin = std::mem::take(&mut stored.job.origin);
    for (number, text) in texts(&mut stored.job).into_iter().enumerate() {
        if text.len() >= REFERENCED_BYTES_MIN
            && let Some(at) = origin.find(&serde_json::to_string(text)?)
        {
            stored.quoted.push((number, at));
            text.clear();
        }
    }
    stored.job.origin = origin;
    serde_json::to_string(&stored)
}

pub(super) fn read(column: &str) -> serde_json::Result<Job> {
    let Column { mut job, quoted } = serde_json::from_str(column)?;
    if quoted.is_empty() {
        return Ok(job);
    }
    let origin = std::mem::take(&mut job.origin);
    let mut texts = texts(&mut job);
    for (number, at) in quoted {
        let quote = origin.get(at..).unwrap_or_default();
        // Reads one string and ignores what follows.
        let found = serde_json::Deserializer::from_str(quote).into_iter::<String>().next();
        if let (Some(text), Some(found)) = (texts.get_mut(number), found) {
            **text = found?;
        }
    }
    job.origin = origin;
    Ok(job)
}

/// All texts of unlimited length, in a fixed order.
fn texts(job: &mut Job) -> Vec<&mut String> {
    let mut texts = Vec::new();
    for input in &mut job.inputs {
        if let InputSource::Text(text) | InputSource::Url(text) = &mut input.source {
            texts.push(text);
        }
        texts.extend(input.hint.as_mut());
        texts.extend(input.marker.as_mut());
    }
    for param in &mut job.params {
        texts.push(&mut param.name);
        texts.extend(&mut param.values);
    }
    texts.extend(job.output.as_mut());
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylon_core::{Input, JobId, Param, PublicKey, UnixTime};

    fn job(text: &str, value: &str, origin: String) -> Job {
        Job {
            id: JobId::from_bytes([1; 32]),
            kind: 5050,
            customer: PublicKey::from_bytes([2; 32]),
            created_at: UnixTime::new(3),
            inputs: vec![Input {
                source: InputSource::Text(text.into()),
                hint: None,
                marker: Some("m".into()),
            }],
            params: vec![Param { name: "system".into(), values: vec!["x".into(), value.into()] }],
            output: None,
            bid: None,
            targeted: true,
            confidential: false,
            expires_at: None,
            origin,
        }
    }

    /// Goal: a text that the original event contains is stored once, and every text is restored.
    /// Method: texts with all characters that JSON escapes, which the event contains in our
    /// escaping, in another one, and not at all.
    #[test]
    fn a_text_is_stored_once() {
        let (long, other) = ("Grüße, \"world\" \u{1F980}\n\0 ".repeat(40), "be brief\\".repeat(20));
        let spelled =
            serde_json::json!({"tags": [["i", long, "text"], ["param", "system", "x", other]]})
                .to_string();
        for (origin, copies) in [
            (spelled.clone(), 1),
            (spelled.replace('ü', "\\u00fc"), 2),
            ("{}".into(), 1),
            (String::new(), 1),
        ] {
            let job = job(&long, &other, origin);
            let column = write(&job).unwrap();
            assert_eq!(read(&column).unwrap(), job);
            let found = column.matches("\u{1F980}").count();
            assert_eq!(found, copies * 40, "{column}");
        }
        // Without references.
        let plain = job(&long, &other, spelled);
        assert_eq!(read(&serde_json::to_string(&plain).unwrap()).unwrap(), plain);
    }

    /// Goal: a row that was edited by hand is read or is an error, without a panic. Method:
    /// references that point outside of the event or not to a string.
    #[test]
    fn invalid_references_are_errors_or_ignored() {
        let column = |quoted: &str| {
            let plain = serde_json::to_string(&job("", "", "{\"ü\":1}".into())).unwrap();
            plain.replacen('{', &format!("{{\"quoted\":{quoted},"), 1)
        };
        for (quoted, is_read) in [
            ("[[0,99]]", true),
            ("[[99,1]]", true),
            ("[[0,3]]", true),
            ("[[0,0]]", false),
            ("7", false),
        ] {
            assert_eq!(read(&column(quoted)).is_ok(), is_read, "{quoted}");
        }
    }
}
