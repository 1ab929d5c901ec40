//! `pylon models`: the models of the inference backends, from the running node or, without one, by
//! probing the backends.

use super::backends;
use crate::args::JsonArgs;
use crate::output::{json, print, table};
use anyhow::Result;
use pylon_control_api::{Backend, Model};
use pylon_node::home::Home;
use serde::Serialize;

/// Prints the models.
pub(crate) fn run(args: &JsonArgs) -> Result<()> {
    let backends = backends::find(&Home::from_env()?)?.backends;
    let models: Vec<_> = backends.iter().flat_map(rows).collect();
    if args.json { json(&Models { models }) } else { print(&page(&models)) }
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

fn page(models: &[Row<'_>]) -> String {
    if models.is_empty() {
        return "no backend has a model: run `pylon doctor`\n".into();
    }
    let row = |one: &Row<'_>| {
        let context = one.context_tokens.map_or_else(|| "-".into(), |tokens| tokens.to_string());
        let default = if one.default { " (default)" } else { "" };
        let price = format!("{}%", f64::from(one.price_permille) / 10.0);
        [one.backend.to_owned(), context, price, format!("{}{default}", one.id)]
    };
    table("BACKEND  >CONTEXT  >PRICE  ~MODEL", &models.iter().map(row).collect::<Vec<_>>())
}
