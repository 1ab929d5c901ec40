//! `pylon earnings`: the earnings in the journal, with or without a running node.

use crate::args::EarningsArgs;
use crate::earnings::table;
use crate::output::{json, print};
use anyhow::Result;
use pylon_control_api::Refused;
use pylon_core::earnings::Earnings;
use pylon_core::ports::clock::Clock;
use pylon_node::clock::SystemClock;
use pylon_node::control::{REFUSED_MAX, REFUSED_SECONDS};
use pylon_node::home::Home;
use serde::Serialize;
use std::collections::BTreeMap;

/// Prints the earnings.
pub(crate) fn run(args: &EarningsArgs) -> Result<()> {
    let limit = args.limit as usize;
    let now = SystemClock.now();
    let since = now.minus(REFUSED_SECONDS);
    // One more than shown, so that a cut is known.
    let (mut earnings, refused) = match Home::from_env()?.journal()? {
        Some(journal) => (journal.earnings(limit + 1)?, journal.refusals(since, REFUSED_MAX)?),
        None => (Earnings::default(), BTreeMap::new()),
    };
    let refused = Refused::of(since, refused);
    if args.json {
        earnings.recent.truncate(limit);
        json(&EarningsView::new(&earnings, refused))
    } else {
        print(&table(&earnings, &refused, limit, now))
    }
}

#[derive(Serialize)]
struct EarningsView {
    summary: EarningsSummary,
    refused: Refused,
    recent: Vec<Recent>,
}

#[derive(Serialize)]
struct EarningsSummary {
    total_sats: u64,
    total_msats: u64,
    job_count: u64,
    refund_due_msats: u64,
    by_source_msats: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct Recent {
    job_id: String,
    amount_msats: u64,
    source: &'static str,
    payment_hash: String,
    earned_at: u64,
}

impl EarningsView {
    fn new(earnings: &Earnings, refused: Refused) -> Self {
        Self {
            refused,
            summary: EarningsSummary {
                total_sats: earnings.total.sats(),
                total_msats: earnings.total.get(),
                job_count: earnings.jobs_completed,
                refund_due_msats: earnings.refund_due.get(),
                by_source_msats: earnings
                    .by_source
                    .iter()
                    .map(|(source, amount)| (source.as_str(), amount.get()))
                    .collect(),
            },
            recent: earnings
                .recent
                .iter()
                .map(|earning| Recent {
                    job_id: earning.job.to_hex(),
                    amount_msats: earning.amount.get(),
                    source: earning.source.as_str(),
                    payment_hash: earning.payment_hash.to_hex(),
                    earned_at: earning.at.get(),
                })
                .collect(),
        }
    }
}
