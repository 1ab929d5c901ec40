//! Breaks one limit, the one that the setting `do` names; with `answer` it behaves.

#![no_std]
#![allow(unsafe_code, clippy::panic, reason = "a fixture that does what guests must not")]

extern crate alloc;

use alloc::string::String;
use core::arch::wasm32;
use core::hint::black_box;
use pylon_guest::description::{About, Setting};
use pylon_guest::pricing::{Context, Offer, Pricing, Terms};
use pylon_guest::types::{Job, Refusal, Situation};

struct Hostile;

impl Pricing for Hostile {
    fn describe() -> About {
        About::policy("hostile-pricing", "1.0.0", "Breaks limits.", [Setting::new("do", "answer", "What to break.")].into())
    }

    fn quote(job: &Job, context: &Context, situation: &Situation) -> Result<Offer, Refusal> {
        let good = Offer {
            terms: Terms::Free,
            price_msat: 0,
            cap_msat: 0,
            max_output_tokens: 100,
            max_work_ms: 60_000,
            valid_seconds: 1,
            priority: 0,
            note: String::new(),
        };
        match situation.settings().text("do").unwrap_or_default() {
            "fuel" => endless(),
            "memory" => {
                black_box(wasm32::memory_grow::<0>(1024));
                Ok(good)
            }
            "stack" => Ok(Offer { max_work_ms: deep(u64::MAX), ..good }),
            "traffic" => Ok(Offer { note: "x".repeat(1 << 20), ..good }),
            // For a bid that no sample question makes.
            "unlucky" if job.bid_msat == Some(13_000) => wasm32::unreachable(),
            "trap" => wasm32::unreachable(),
            "panic" => panic!(),
            "terms" => Ok(Offer { terms: Terms::Hold, ..good }),
            "cap" => Ok(Offer { terms: Terms::OnDelivery, price_msat: 2, cap_msat: 1, ..good }),
            "supply" => Ok(Offer { terms: Terms::OnDelivery, cap_msat: u64::MAX, ..good }),
            "refuse" => Err(Refusal::BidTooLow(context.max_receivable_msat)),
            _ => Ok(good),
        }
    }
}

fn endless() -> ! {
    loop {
        black_box(());
    }
}

/// Recursion that no compiler turns into a loop, and that needs none of the guest's own memory.
fn deep(depth: u64) -> u64 {
    if depth == 0 {
        return 1;
    }
    let below = deep(depth - 1);
    below.rotate_left((below ^ depth) as u32)
}

pylon_guest::pricing::export!(Hostile);
