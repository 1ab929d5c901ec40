//! Calls per second of CPU time, with two threads against one.

use crate::questions::{context, job, load, sandbox, situation};
use pylon_sandbox::Installed;
use pylon_tests::figures::{Figure, Goal, median};
use std::hint::black_box;

const ROUNDS: usize = 9;
const CALLS: u32 = 10_000;

pub(crate) async fn measure() -> Vec<Figure> {
    let sandbox = sandbox();
    let guest = load(&sandbox, "pricing", "token_pricing", None, None).await;
    let (mut two, mut one) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(calls_per_second(&guest, 1));
        two.push(calls_per_second(&guest, 2));
    }
    vec![Figure {
        name: "calls per CPU second, 2 threads ÷ 1",
        ours: median(two),
        against: median(one),
        goal: Goal::AtLeast(0.85),
    }]
}

fn calls_per_second(guest: &Installed, threads: u32) -> f64 {
    let seconds: f64 = std::thread::scope(|scope| {
        let callers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| thread_seconds(|| ask(guest)))).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    f64::from(CALLS * threads) / seconds
}

fn ask(guest: &Installed) {
    let (job, context, situation) = (job(1), context(), situation());
    (0..CALLS).for_each(|_| drop(black_box(guest.quote(&job, &context, &situation))));
}

/// CPU time of this thread.
fn thread_seconds(work: impl FnOnce()) -> f64 {
    let now = || {
        let mut time = std::mem::MaybeUninit::<libc::timespec>::uninit();
        #[allow(unsafe_code, reason = "the standard library does not tell")]
        // SAFETY: the call fills the struct it is given, and is checked to have done so before it
        // is read.
        let time = unsafe {
            assert_eq!(libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, time.as_mut_ptr()), 0);
            time.assume_init()
        };
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let before = now();
    work();
    now() - before
}
