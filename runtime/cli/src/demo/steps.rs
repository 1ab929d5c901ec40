//! The steps that the demo shows, as text or as one JSON object per line.

use crate::output::{json_line, print};
use anyhow::Result;
use pylon_core::guest::{Call, Cost, GuestFunction};
use pylon_core::text::sanitize;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// A step of the demo.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum DemoStep {
    /// A part of the market is ready.
    Ready { part: &'static str, detail: String },
    /// The customer has published a request.
    Request { job: String, number: usize, of: usize, kind: u16, prompt: String, bid_msats: u64 },
    /// The node executed a native step.
    Native { job: String, what: &'static str, wall_us: u64 },
    /// A guest was called.
    Guest {
        job: String,
        function: GuestFunction,
        #[serde(flatten)]
        guest: GuestCall,
        answer: String,
    },
    /// The customer received feedback.
    Feedback { job: String, status: String, message: String },
    /// The customer received more of the text.
    Text { job: String, text: String },
    /// The customer received the result.
    Result { job: String, kind: u16, amount_msats: u64, bolt11: Option<String> },
    /// The customer has paid.
    Paid { job: String, amount_msats: u64, preimage: String },
    /// The payment is in the journal.
    Earned { job: String, amount_msats: u64 },
    /// The summary of one job; the last one has the total.
    Summary(Box<JobSummary>),
}

/// A call to a guest.
#[derive(Clone, Debug, Serialize)]
pub(super) struct GuestCall {
    pub(super) slot: String,
    pub(super) name: String,
    pub(super) digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fuel: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_us: Option<u64>,
    pub(super) wall_us: u64,
}

impl From<&Call> for GuestCall {
    fn from(call: &Call) -> Self {
        let (fuel, cpu_us) = match call.cost {
            Cost::Fuel(fuel) => (Some(fuel), None),
            Cost::CpuUs(cpu_us) => (None, Some(cpu_us)),
        };
        Self {
            slot: call.guest.slot.clone(),
            name: call.guest.name.clone(),
            digest: call.guest.digest.to_hex(),
            fuel,
            cpu_us,
            wall_us: call.wall_us,
        }
    }
}

/// The summary of one job.
#[derive(Clone, Debug, Serialize)]
pub(super) struct JobSummary {
    pub(super) job: String,
    pub(super) kind: u16,
    pub(super) status: String,
    pub(super) backend: String,
    pub(super) model: String,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) guests: Vec<GuestCall>,
    pub(super) amount_msats: u64,
    pub(super) settlement: String,
    pub(super) earned_msats: u64,
    pub(super) elapsed_ms: u64,
    pub(super) node_overhead_us: u64,
    /// Of all jobs, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<Total>,
}

/// The total of all jobs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Total {
    pub(super) jobs: usize,
    pub(super) completed: usize,
    pub(super) earned_msats: u64,
    pub(super) elapsed_ms: u64,
}

/// Prints the steps.
pub(super) struct Renderer {
    json: bool,
    started: Instant,
    /// Whether the current line has streamed text.
    streaming: bool,
    /// Steps of the node during the stream, which are printed after the text.
    pending: Vec<String>,
}

impl Renderer {
    pub(super) fn new(json: bool) -> Self {
        Self { json, started: Instant::now(), streaming: false, pending: Vec::new() }
    }

    /// Restarts the clock with a new request.
    pub(super) fn restart_clock(&mut self) {
        self.started = Instant::now();
    }

    pub(super) fn show(&mut self, step: &DemoStep) -> Result<()> {
        if self.json {
            return json_line(step);
        }
        match step {
            DemoStep::Text { text, .. } => {
                let start =
                    if std::mem::replace(&mut self.streaming, true) { "" } else { "\n    " };
                print(&format!("{start}{}", sanitize(text).replace('\n', "\n    ")))
            }
            DemoStep::Native { .. } | DemoStep::Guest { .. } if self.streaming => {
                self.pending.push(self.line(step));
                Ok(())
            }
            _ => {
                let end = if std::mem::take(&mut self.streaming) { "\n\n" } else { "" };
                self.pending.push(self.line(step));
                let lines = std::mem::take(&mut self.pending).join("\n");
                print(&format!("{end}{lines}\n"))
            }
        }
    }

    /// Prints the earnings, and the path of the database if it is kept.
    pub(super) fn finish(&self, earnings: &str, kept: Option<PathBuf>) -> Result<()> {
        if self.json {
            return Ok(());
        }
        let kept =
            kept.map(|database| format!("Kept: {}\n", database.display())).unwrap_or_default();
        print(&format!("\nIn play money, which has no value:\n\n{earnings}\n{kept}"))
    }

    fn line(&self, step: &DemoStep) -> String {
        let at = format!("{:>9.1} ms", self.started.elapsed().as_secs_f64() * 1000.0);
        match step {
            DemoStep::Ready { part, detail } => format!("  {part:<9} {}", sanitize(detail)),
            DemoStep::Request { job, number, of, kind, prompt, bid_msats } => format!(
                "\nJob {number} of {of}: {}\n\n{at}  customer  publishes kind {kind}, job {}, \
                 bid {bid_msats} msat",
                prompt.lines().next().unwrap_or_default(),
                short(job)
            ),
            DemoStep::Native { what, wall_us, .. } => {
                format!("{at}  native    {what}, {wall_us} µs")
            }
            DemoStep::Guest { function, guest, answer, .. } => {
                let cost = match (guest.fuel, guest.cpu_us) {
                    (Some(fuel), _) => format!("{fuel} fuel"),
                    (_, Some(cpu)) => format!("{cpu} µs CPU"),
                    _ => String::new(),
                };
                let name =
                    format!("{}.{function}  {} {}", guest.slot, guest.name, short(&guest.digest));
                format!(
                    "{at}  guest     {name}, {cost}, {} µs  {}",
                    guest.wall_us,
                    sanitize(answer)
                )
            }
            DemoStep::Feedback { status, message, .. } => {
                format!("{at}  customer  receives kind 7000 `{status}` {}", sanitize(message))
                    .trim_end()
                    .to_owned()
            }
            DemoStep::Text { text, .. } => sanitize(text),
            DemoStep::Result { kind, amount_msats, bolt11, .. } => {
                let invoice = bolt11.as_deref().map_or("nothing to pay".into(), |bolt11| {
                    format!("{amount_msats} msat due, {}…", bolt11.get(..24).unwrap_or(bolt11))
                });
                format!("{at}  customer  receives kind {kind}, verified: {invoice}")
            }
            DemoStep::Paid { amount_msats, preimage, .. } => {
                format!(
                    "{at}  customer  pays {amount_msats} play msat, preimage {}",
                    short(preimage)
                )
            }
            DemoStep::Earned { amount_msats, .. } => {
                format!("{at}  native    {amount_msats} msat recorded as earned")
            }
            DemoStep::Summary(summary) => format!(
                "\n  {} in {} ms, of which {} µs in the node; {} tokens in, {} out, model {} on {}",
                summary.status,
                summary.elapsed_ms,
                summary.node_overhead_us,
                summary.input_tokens,
                summary.output_tokens,
                sanitize(&summary.model),
                sanitize(&summary.backend)
            ),
        }
    }
}

fn short(hex: &str) -> &str {
    hex.get(..8).unwrap_or(hex)
}
