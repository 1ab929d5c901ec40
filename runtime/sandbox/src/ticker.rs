//! The clock of the handler engine. It runs only while guest code runs: a node whose handlers wait for a backend uses no CPU here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};
use wasmtime::{Engine, EngineWeak};

/// A guest is looked at this often.
pub(crate) const TICK: Duration = Duration::from_millis(2);

/// A thread that advances the engine's epoch.
pub(crate) struct Ticker {
    state: Arc<State>,
    thread: Thread,
}

#[derive(Default)]
struct State {
    /// Polls of guests going on now.
    polls: AtomicU32,
    asleep: AtomicBool,
    closed: AtomicBool,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let state = Arc::new(State::default());
        let (engine, its_state) = (engine.weak(), Arc::clone(&state));
        let handle = std::thread::Builder::new()
            .name("pylon-ticker".into())
            .spawn(move || tick(&engine, &its_state))?;
        Ok(Self { state, thread: handle.thread().clone() })
    }

    /// Ticks at least until `leave`.
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

impl Drop for Ticker {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn tick(engine: &EngineWeak, state: &State) {
    let mut next = Instant::now();
    while !state.closed.load(Ordering::SeqCst) {
        // From the clock, so that late wake-ups do not add up.
        next = (next + TICK).max(Instant::now());
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
        drop(engine);
        if state.polls.load(Ordering::SeqCst) == 0 {
            state.asleep.store(true, Ordering::SeqCst);
            // Whoever enters after this line finds us asleep and wakes us; whoever entered before is seen here.
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

    /// Goal: a node whose handlers wait uses no CPU for the clock, and the clock is there when one goes on. Method: what the thread says of itself.
    #[test]
    fn the_clock_stops_when_nobody_runs() {
        let engine = Engine::new(Config::new().epoch_interruption(true)).unwrap();
        let ticker = Ticker::start(&engine).unwrap();
        let until = |asleep: bool| {
            let begun = Instant::now();
            while ticker.state.asleep.load(Ordering::SeqCst) != asleep {
                assert!(begun.elapsed() < Duration::from_secs(10), "asleep is never {asleep}");
                std::thread::yield_now();
            }
        };
        for _ in 0..3 {
            until(true);
            ticker.enter();
            until(false);
            ticker.leave();
        }
        until(true);
    }
}
