//! Exceeds one limit, the one that the setting `do` names; with `answer` it behaves. For samples of
//! the self-test, whose customer is a placeholder, it uses the setting `tried` instead.

#![no_std]
#![allow(unsafe_code, clippy::panic, reason = "a hostile fixture")]

extern crate alloc;

use alloc::string::String;
use core::arch::wasm32;
use core::hint::black_box;
use pylon_guest::description::{Manifest, Setting};
use pylon_guest::pricing::{Context, Offer, Pricing, Terms};
use pylon_guest::types::{Job, Refusal, Situation};

struct Hostile;

impl Pricing for Hostile {
    fn describe() -> Manifest {
        let settings = [
            Setting::new("do", "answer", "The limit to exceed."),
            Setting::new("tried", "answer", "The same, for samples."),
        ];
        Manifest::policy(
            "hostile-pricing",
            "1.0.0",
            &["Exceeds limits; NaN: ", hex(nan()).as_str()].concat(),
            settings.into(),
        )
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
        let setting = if job.customer.bytes().all(|digit| digit == b'0') { "tried" } else { "do" };
        match situation.settings().text(setting).unwrap_or_default() {
            "fuel" => endless(),
            "memory" => {
                black_box(wasm32::memory_grow::<0>(1024));
                Ok(good)
            }
            "stack" => Ok(Offer { max_work_ms: deep(u64::MAX), ..good }),
            "traffic" => Ok(Offer { note: "x".repeat(1 << 20), ..good }),
            // For a bid that no sample has.
            "unlucky" if job.bid_msat == Some(13_000) => wasm32::unreachable(),
            "trap" => wasm32::unreachable(),
            "panic" => panic!(),
            "terms" => Ok(Offer { terms: Terms::Hold, ..good }),
            "cap" => Ok(Offer { terms: Terms::OnDelivery, price_msat: 2, cap_msat: 1, ..good }),
            "supply" => Ok(Offer { terms: Terms::OnDelivery, cap_msat: u64::MAX, ..good }),
            "setting" => Err(Refusal::InvalidSetting("do".into())),
            "nan" => Ok(Offer { max_work_ms: nan(), ..good }),
            "paid" => {
                let paid = situation.extra().text("customer-jobs-paid");
                Ok(Offer { note: paid.unwrap_or("unknown").into(), ..good })
            }
            "refuse" => Err(Refusal::BidTooLow(context.max_receivable_msat)),
            _ => Ok(good),
        }
    }
}

/// The bits of a NaN after an addition, which depend on the processor.
fn nan() -> u64 {
    (black_box(f64::from_bits(0x7ff8_0000_0000_1234)) + black_box(1.0)).to_bits()
}

fn hex(mut number: u64) -> String {
    let mut digits = String::new();
    for _ in 0..16 {
        number = number.rotate_left(4);
        digits.extend(char::from_digit((number & 15) as u32, 16));
    }
    digits
}

fn endless() -> ! {
    loop {
        black_box(());
    }
}

/// Recursion that the compiler cannot turn into a loop, and that does not use the guest's memory.
fn deep(depth: u64) -> u64 {
    if depth == 0 {
        return 1;
    }
    let below = deep(depth - 1);
    below.rotate_left((below ^ depth) as u32)
}

pylon_guest::pricing::export!(Hostile);
