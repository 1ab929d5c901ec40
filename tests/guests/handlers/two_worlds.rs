//! Exports two worlds, which the SDK does not support.

mod bindings {
    #![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "generated")]

    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package pylon:test;
            world two-worlds {
                use pylon:provider/description@0.1.0.{manifest};
                export describe: func() -> manifest;
                export pylon:provider/pricing@0.1.0;
                export pylon:provider/routing@0.1.0;
            }
        ",
        world: "pylon:test/two-worlds",
        generate_all,
    });
}

use bindings::exports::pylon::provider::{pricing, routing};
use bindings::pylon::provider::description::Manifest;
use bindings::pylon::provider::types::{Job, Refusal, Route, Situation, Usage};

struct Two;

impl bindings::Guest for Two {
    fn describe() -> Manifest {
        Manifest {
            name: "two-worlds".into(),
            version: "1.0.0".into(),
            summary: String::new(),
            settings: Vec::new(),
            kinds: Vec::new(),
            requests: Vec::new(),
            limits: None,
        }
    }
}

impl pricing::Guest for Two {
    fn quote(_: Job, _: pricing::Context, _: Situation) -> Result<pricing::Offer, Refusal> {
        Err(Refusal::Blocked)
    }

    fn settle(
        _: Job,
        _: pricing::Context,
        _: pricing::Offer,
        _: Route,
        _: Usage,
        _: Situation,
    ) -> u64 {
        0
    }
}

impl routing::Guest for Two {
    fn rank(_: Job, _: Vec<routing::Candidate>, _: Situation) -> Result<routing::Ranking, Refusal> {
        Err(Refusal::Blocked)
    }
}

#[allow(unsafe_code, unreachable_pub, reason = "generated")]
mod exported {
    use crate::{Two, bindings};

    bindings::export!(Two with_types_in bindings);
}
