//! What a kind of job does: the world `job-handler`, and what the host offers to it.
//!
//! # Limits
//!
//! An attempt has 30 s of CPU and an hour of wall time with all waiting, 64 MiB of memory, 20 000 table elements and 256 KiB of stack; one call to the host
//! carries at most 8 MiB towards it, 64 things of the host (generations, streams) may be held at once, reports and partial results are at most 10 000
//! with 64 MiB of text, lines for the log at most 64 KiB. The result is at most 4 MiB: content, MIME type (128 bytes) and attributes (64, with names
//! of up to 64 bytes). `bounds` in `describe` makes these smaller, and so may the operator. `describe` has 250 ms of CPU and 1 s of wall time.
//!
//! `inputs` (texts) and `log` are always there; `inference` and `progress` if `wants` names them and the operator agrees. Without that an import is
//! not linked, and the guest is refused by its name. Of std there are an empty environment, a clock that stands still at the job's own time, and
//! randomness that follows from the job; neither files nor sockets.
//!
//! # Errors
//!
//! A [`JobError`] is an answer, and its words go to the customer: no secret, no path. `Invalid` is the customer's mistake, after `Failed` the next route is
//! tried while no partial output went out. No answer are the faults `cpu`, `wall`, `memory`, `stack`, `traffic` (over any of the bounds towards the
//! host, or too large a result), `trap` (a panic or `exit` among them) and `nonsense` (a MIME type with control characters, a nameless attribute).

use crate::Params;
use crate::description::About;
use crate::types::{Job, Output, Param, Refusal};
use bindings::exports::pylon::provider::handler as wit;

pub use bindings::export_handler as export;
pub use bindings::pylon::provider::{agent, inference, inputs, log, progress};
pub use wit::JobError;

/// A handler.
///
/// ```ignore
/// use pylon_guest::Params;
/// use pylon_guest::description::{About, ServedKind};
/// use pylon_guest::handler::{Handler, JobError, inputs};
/// use pylon_guest::types::{Job, Output};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     fn describe() -> About {
///         About {
///             name: "echo".into(),
///             version: env!("CARGO_PKG_VERSION").into(),
///             summary: "Says it again.".into(),
///             settings: Vec::new(),
///             kinds: vec![ServedKind { kind: 5999, summary: "echo".into(), params: Vec::new() }],
///             wants: Vec::new(),
///             bounds: None,
///         }
///     }
///
///     fn run(_: &Job, _: Params<'_>, _: u64) -> Result<Output, JobError> {
///         let content = inputs::read(0).map_err(|error| JobError::Failed(format!("{error:?}")))?;
///         Ok(Output { content, mime: "text/plain".into(), attributes: Vec::new() })
///     }
/// }
///
/// pylon_guest::handler::export!(Echo);
/// ```
pub trait Handler {
    /// What this handler is, the kinds it does, what it wants and what it may use.
    fn describe() -> About;

    /// Does one attempt. Past `deadline_ms` of wall time the instance is dropped.
    fn run(job: &Job, settings: Params<'_>, deadline_ms: u64) -> Result<Output, JobError>;
}

/// For [`Params::setting`]: read first what the operator has set, with `?`, and a setting that is wrong is found when the handler is installed.
impl From<Refusal> for JobError {
    fn from(refused: Refusal) -> Self {
        Self::Failed(if let Refusal::Other(words) = refused { words } else { "refused".into() })
    }
}

impl<H: Handler> bindings::Guest for H {
    fn describe() -> About {
        H::describe()
    }
}

impl<H: Handler> wit::Guest for H {
    fn run(job: Job, settings: Vec<Param>, deadline_ms: u64) -> Result<Output, JobError> {
        H::run(&job, Params::new(&settings), deadline_ms)
    }
}

/// For the macro alone.
#[doc(hidden)]
#[allow(missing_docs, reason = "generated; types and fields carry the text of the WIT")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "pylon:provider/job-handler",
        with: {
            "pylon:provider/types@0.1.0": crate::types,
            "pylon:provider/description@0.1.0": crate::description,
        },
        pub_export_macro: true,
        export_macro_name: "export_handler",
        default_bindings_module: "pylon_guest::handler::bindings",
    });
}
