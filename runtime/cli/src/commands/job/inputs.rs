//! The inputs of a request: from the command line, from files, and from stdin.

use crate::args::job::{InputArg, SubmitArgs};
use anyhow::{Context, Result, bail};
use pylon_core::InputSource;
use pylon_core::text::without_bom;
use pylon_nostr::nip90::REQUEST_BYTES_MAX;
use std::fs::File;
use std::io::Read;

/// All inputs, the prompt first.
pub(super) fn read(args: &SubmitArgs) -> Result<Vec<InputSource>> {
    let prompt = args.prompt.as_deref().map(|prompt| match prompt {
        "-" => read_text("stdin", std::io::stdin()),
        "" => bail!("the prompt is empty: write what the job must do; nothing was sent"),
        text => Ok(text.to_owned()),
    });
    let prompt = prompt.map(|text| text.map(InputSource::Text));
    let others = args.inputs.iter().map(|input| match input {
        InputArg::Given(source) => Ok(source.clone()),
        InputArg::File(path) => {
            let name = path.display().to_string();
            let file = File::open(path)
                .with_context(|| format!("cannot read {name}; nothing was sent"))?;
            read_text(&name, file).map(InputSource::Text)
        }
    });
    prompt.into_iter().chain(others).collect()
}

fn read_text(name: &str, from: impl Read) -> Result<String> {
    let mut text = String::new();
    from.take(REQUEST_BYTES_MAX as u64 + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {name} as UTF-8 text; nothing was sent"))?;
    if text.len() > REQUEST_BYTES_MAX {
        bail!(
            "{name} is longer than a request may be: at most {REQUEST_BYTES_MAX} bytes; nothing \
             was sent"
        );
    }
    match without_bom(&text) {
        "" => bail!("{name} is empty; nothing was sent"),
        text => Ok(text.to_owned()),
    }
}
