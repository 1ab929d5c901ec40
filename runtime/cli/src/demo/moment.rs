//! What the demo shows, one moment after the other: as lines for a person or as JSON, one object each.

use crate::output::say;
use anyhow::Result;
use pylon_core::guest::{Call, Cost, GuestFunction};
use pylon_core::text::sanitize;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// Something to show.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum Moment {
    /// Something is in place.
    Ready { what: &'static str, detail: String },
    /// The customer has published a request.
    Request { job: String, number: usize, of: usize, kind: u16, prompt: String, bid_msats: u64 },
    /// The node did something itself.
    Native { job: String, what: &'static str, us: u64 },
    /// A guest was called.
    Guest {
        job: String,
        function: GuestFunction,
        #[serde(flatten)]
        guest: GuestCall,
        said: String,
    },
    /// The customer has heard how the job stands.
    Feedback { job: String, status: String, words: String },
    /// The customer has read more of the answer.
    Text { job: String, text: String },
    /// The customer has the result.
    Result { job: String, kind: u16, amount_msats: u64, bolt11: Option<String> },
    /// The customer has paid.
    Paid { job: String, amount_msats: u64, preimage: String },
    /// The books have it.
    Earned { job: String, amount_msats: u64 },
    /// All about one job, or all there is to say at the end.
    Summary(Box<Summary>),
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
    pub(super) us: u64,
}

impl From<&Call> for GuestCall {
    fn from(call: &Call) -> Self {
        let (fuel, cpu_us) = match call.cost {
            Cost::Fuel(fuel) => (Some(fuel), None),
            Cost::CpuUs(micros) => (None, Some(micros)),
        };
        Self {
            slot: call.guest.slot.clone(),
            name: call.guest.name.clone(),
            digest: call.guest.digest.to_hex(),
            fuel,
            cpu_us,
            us: call.wall_us,
        }
    }
}

/// How a job went.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
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
    /// Over all jobs, when there were several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<Total>,
}

/// All jobs together.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Total {
    pub(super) jobs: usize,
    pub(super) completed: usize,
    pub(super) earned_msats: u64,
    pub(super) elapsed_ms: u64,
}

/// Where moments are shown.
pub(super) struct Screen {
    json: bool,
    begun: Instant,
    /// Text of the answer shown on the open line.
    streaming: bool,
    /// What the node did meanwhile: shown after the answer, so as not to tear it apart.
    meanwhile: Vec<String>,
}

impl Screen {
    pub(super) fn new(json: bool) -> Self {
        Self { json, begun: Instant::now(), streaming: false, meanwhile: Vec::new() }
    }

    /// From here on time is counted from the request.
    pub(super) fn restart_clock(&mut self) {
        self.begun = Instant::now();
    }

    pub(super) fn show(&mut self, moment: &Moment) -> Result<()> {
        if self.json {
            return say(&format!("{}\n", serde_json::to_string(moment)?));
        }
        match moment {
            Moment::Text { text, .. } => {
                let begin =
                    if std::mem::replace(&mut self.streaming, true) { "" } else { "\n    " };
                say(&format!("{begin}{}", sanitize(text).replace('\n', "\n    ")))
            }
            Moment::Native { .. } | Moment::Guest { .. } if self.streaming => {
                self.meanwhile.push(self.line(moment));
                Ok(())
            }
            _ => {
                let end = if std::mem::take(&mut self.streaming) { "\n\n" } else { "" };
                self.meanwhile.push(self.line(moment));
                let lines = std::mem::take(&mut self.meanwhile).join("\n");
                say(&format!("{end}{lines}\n"))
            }
        }
    }

    /// The end: the books, and where they are if they are kept.
    pub(super) fn farewell(&self, books: &str, kept: Option<PathBuf>) -> Result<()> {
        if self.json {
            return Ok(());
        }
        let kept =
            kept.map(|database| format!("Kept: {}\n", database.display())).unwrap_or_default();
        say(&format!("\nIn play money, which is worth nothing:\n\n{books}\n{kept}"))
    }

    fn line(&self, moment: &Moment) -> String {
        let at = format!("{:>9.1} ms", self.begun.elapsed().as_secs_f64() * 1000.0);
        match moment {
            Moment::Ready { what, detail } => format!("  {what:<9} {}", sanitize(detail)),
            Moment::Request { job, number, of, kind, prompt, bid_msats } => format!(
                "\nA customer asks ({number} of {of}): {prompt}\n\n{at}  customer  publishes kind {kind}, job {}, bid {bid_msats} msat",
                short(job)
            ),
            Moment::Native { what, us, .. } => format!("{at}  native    {what}, {us} µs"),
            Moment::Guest { function, guest, said, .. } => {
                let cost = match (guest.fuel, guest.cpu_us) {
                    (Some(fuel), _) => format!("{fuel} fuel"),
                    (_, Some(cpu)) => format!("{cpu} µs CPU"),
                    _ => String::new(),
                };
                let who =
                    format!("{}.{function}  {} {}", guest.slot, guest.name, short(&guest.digest));
                format!("{at}  guest     {who}, {cost}, {} µs  {}", guest.us, sanitize(said))
            }
            Moment::Feedback { status, words, .. } => {
                format!("{at}  customer  hears kind 7000 `{status}` {}", sanitize(words))
                    .trim_end()
                    .to_owned()
            }
            Moment::Text { text, .. } => sanitize(text),
            Moment::Result { kind, amount_msats, bolt11, .. } => {
                let invoice = bolt11.as_deref().map_or("nothing to pay".into(), |bolt11| {
                    format!("{amount_msats} msat due, {}…", bolt11.get(..24).unwrap_or(bolt11))
                });
                format!("{at}  customer  has kind {kind}, checked: {invoice}")
            }
            Moment::Paid { amount_msats, preimage, .. } => {
                format!(
                    "{at}  customer  pays {amount_msats} play msat, preimage {}",
                    short(preimage)
                )
            }
            Moment::Earned { amount_msats, .. } => {
                format!("{at}  native    {amount_msats} msat in the books")
            }
            Moment::Summary(summary) => format!(
                "\n  {} in {} ms, of which the node itself took {} µs; {} tokens in, {} out, by {} on {}",
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
