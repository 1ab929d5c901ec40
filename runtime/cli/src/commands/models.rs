//! `pylon models`: the models of the inference backends, from the running node or, without one, by
//! probing the backends.

use super::backends;
use crate::args::JsonArgs;
use crate::output::{json, print};
use anyhow::Result;
use pylon_control_api::{Backend, Model};
use pylon_core::text::sanitize_line;
use pylon_node::home::Home;
use serde::Serialize;
use std::fmt::Write as _;

/// Prints the models.
pub(crate) fn run(args: &JsonArgs) -> Result<()> {
    let backends = backends::find(&Home::from_env()?)?.backends;
    let models: Vec<_> = backends.iter().flat_map(rows).collect();
    if args.json { json(&Models { models }) } else { print(&table(&models)) }
}

#[derive(Serialize)]
struct Models<'a> {
    models: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    backend: &'a str,
    default: bool,
    context_tokens: Option<u32>,
    price_permille: u32,
}

fn rows(backend: &Backend) -> impl Iterator<Item = Row<'_>> {
    backend.models.iter().map(|Model { id, default, context_tokens, price_permille }| Row {
        id,
        backend: &backend.id,
        default: *default,
        context_tokens: *context_tokens,
        price_permille: *price_permille,
    })
}

fn table(models: &[Row<'_>]) -> String {
    if models.is_empty() {
        return "no backend has a model: run `pylon doctor`\n".into();
    }
    let mut out = String::from("BACKEND    CONTEXT  PRICE   MODEL\n");
    for one in models {
        let context = one.context_tokens.map_or_else(|| "-".into(), |tokens| tokens.to_string());
        let default = if one.default { " (default)" } else { "" };
        let price = format!("{}%", f64::from(one.price_permille) / 10.0);
        let (backend, id) = (one.backend, sanitize_line(one.id));
        let _ = writeln!(out, "{backend:<9}  {context:>7}  {price:>5}   {id}{default}");
    }
    out
}
