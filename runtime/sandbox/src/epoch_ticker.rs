//! The thread that advances the epoch of the handler engine. It sleeps while no guest code runs: a
//! node whose handlers wait for backends uses no CPU time here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};
use wasmtime::{Engine, EngineWeak};

/// How often a running guest is interrupted to check its limits.
const TICK: Duration = Duration::from_millis(2);

pub(crate) struct EpochTicker {
    state: Arc<State>,
    thread: Thread,
}

#[derive(Default)]
struct State {
    /// Number of guests that are being polled.
    polls: AtomicU32,
    asleep: AtomicBool,
    closed: AtomicBool,
}

impl EpochTicker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let state = Arc::new(State::default());
        let (engine, its_state) = (engine.weak(), Arc::clone(&state));
        let handle = std::thread::Builder::new()
            .name("pylon-ticker".into())
            .spawn(move || tick(&engine, &its_state))?;
        Ok(Self { state, thread: handle.thread().clone() })
    }

    /// The epoch advances at least until `leave`.
    pub(crate) fn enter(&self) {
        self.state.polls.fetch_add(1, Ordering::SeqCst);
        if self.state.asleep.load(Ordering::SeqCst)
            && self.state.asleep.swap(false, Ordering::SeqCst)
        {
            self.thread.unpark();
        }
    }

    pub(crate) fn leave(&self) {
        self.state.polls.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for EpochTicker {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn tick(engine: &EngineWeak, state: &State) {
    let mut next = Instant::now();
    while !state.closed.load(Ordering::SeqCst) {
        // Absolute times, so that late wake-ups do not add up.
        next = (next + TICK).max(Instant::now());
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
        drop(engine);
        if state.polls.load(Ordering::SeqCst) == 0 {
            state.asleep.store(true, Ordering::SeqCst);
            // A poll that starts after this line wakes the thread; an earlier one is seen here.
            if state.polls.load(Ordering::SeqCst) > 0 {
                state.asleep.store(false, Ordering::SeqCst);
            }
            while state.asleep.load(Ordering::SeqCst) && !state.closed.load(Ordering::SeqCst) {
                std::thread::park();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::Config;

    #[test]
    fn the_thread_sleeps_while_no_guest_runs() {
        let engine = Engine::new(Config::new().epoch_interruption(true)).unwrap();
        let ticker = EpochTicker::start(&engine).unwrap();
        let wait_until = |asleep: bool| {
            let begun = Instant::now();
            while ticker.state.asleep.load(Ordering::SeqCst) != asleep {
                assert!(begun.elapsed() < Duration::from_secs(10), "asleep is never {asleep}");
                std::thread::yield_now();
            }
        };
        for _ in 0..3 {
            wait_until(true);
            ticker.enter();
            wait_until(false);
            ticker.leave();
        }
        wait_until(true);
    }
}
