//! Handlers: each limit has its own fault, std sees a fixed environment, and a dropped guest holds
//! no resources.

use super::host::Recorder;
use super::{KIND, granted, job, load, sandbox, set, within};
use pylon_core::Job;
use pylon_core::guest::{Cost, Fault, LogLevel};
use pylon_core::job::JobError;
use pylon_sandbox::{Config, Installed, Limits, Sandbox};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LONG_MS: u64 = 60_000;

async fn hostile(sandbox: &Sandbox, what: &str, limits: Limits) -> Arc<Installed> {
    load(sandbox, &format!("handler:{KIND}"), "hostile_handler", within(set("do", &[what]), limits))
        .await
}

/// A guest that exceeds one limit, run once for each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_limit_has_its_fault() {
    let sandbox = sandbox();
    let all = Limits::HANDLER;
    for (what, limits, fault) in [
        ("cpu", Limits { cpu_ms: 50, ..all }, Fault::Cpu),
        ("cpu", Limits { wall_ms: 100, ..all }, Fault::Wall),
        ("sleep", Limits { wall_ms: 100, ..all }, Fault::Wall),
        ("wait", Limits { wall_ms: 100, ..all }, Fault::Wall),
        ("memory", all, Fault::Memory),
        ("stack", all, Fault::Stack),
        ("hostcall", all, Fault::HostCallBytes),
        ("log", all, Fault::HostCallBytes),
        ("stdout", all, Fault::HostCallBytes),
        ("stderr", all, Fault::HostCallBytes),
        ("emits", all, Fault::HostCallBytes),
        ("emit-bytes", Limits { emit_bytes: 1024, ..all }, Fault::HostCallBytes),
        ("resources", all, Fault::HostCallBytes),
        ("output", all, Fault::HostCallBytes),
        ("list", all, Fault::HostCallBytes),
        ("attributes", all, Fault::InvalidOutput),
        ("mime", all, Fault::InvalidOutput),
        ("panic", all, Fault::Trap),
        ("exit", all, Fault::Trap),
    ] {
        let (guest, host) = (hostile(&sandbox, what, limits).await, Arc::new(Recorder::default()));
        let answer = guest.run(&job(1), LONG_MS, Arc::clone(&host) as Arc<_>).await;
        assert_eq!(answer.value, Err(fault), "{what}");
        assert!(matches!(answer.call.cost, Cost::CpuUs(_)));
        assert_eq!(host.open_streams(), 0, "{what}");
    }
}

/// A busy guest is stopped within a few ticks of its CPU limit; waiting costs no CPU time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cpu_time_is_measured() {
    let sandbox = sandbox();
    let guest = hostile(&sandbox, "cpu", Limits { cpu_ms: 20, ..Limits::HANDLER }).await;
    let Cost::CpuUs(busy) =
        guest.run(&job(1), LONG_MS, Arc::new(Recorder::default())).await.call.cost
    else {
        panic!()
    };
    assert!((20_000..40_000).contains(&busy), "{busy}");
    let guest = hostile(&sandbox, "wait", Limits::HANDLER).await;
    let answer = guest.run(&job(1), 200, Arc::new(Recorder::default())).await;
    assert!(answer.call.wall_us >= 200_000);
    let Cost::CpuUs(idle) = answer.call.cost else { panic!() };
    assert!(idle < 50_000, "{idle}");
}

/// Goal: a guest does not answer for the CPU time of the host. Method: a backend that costs more
/// for each piece of its answer than the guest may use for all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_of_the_host_is_not_the_guests() {
    let limits = Limits { cpu_ms: 100, ..Limits::HANDLER };
    let guest = hostile(&sandbox(), "generate", limits).await;
    let host = Arc::new(Recorder::working(Duration::from_millis(150)));
    let answer = guest.run(&job(1), LONG_MS, host).await;
    assert_eq!(answer.value.unwrap().unwrap().content, "hello world by m");
    let Cost::CpuUs(used) = answer.call.cost else { panic!() };
    assert!(used < 100_000, "{used}");
}

/// A shorter deadline of the caller applies, even on one thread: a busy guest cannot block the
/// timer.
#[tokio::test]
async fn the_deadline_limits_wall_time() {
    let sandbox = sandbox();
    let guest = hostile(&sandbox, "cpu", Limits::HANDLER).await;
    let started = Instant::now();
    let answer = guest.run(&job(1), 50, Arc::new(Recorder::default())).await;
    assert_eq!(answer.value, Err(Fault::Wall));
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// Both permits are taken by waiting guests: a third call times out, and gets a permit once one is
/// released.
#[tokio::test]
async fn a_call_waits_for_a_permit() {
    let shares =
        Config { handlers_per_kind: Some(2), handlers_per_customer: Some(2), ..Config::default() };
    let sandbox = Sandbox::open(Config { handler_instances: 2, ..shares }).unwrap();
    let waiter = hostile(&sandbox, "wait", Limits::HANDLER).await;
    let good = hostile(&sandbox, "answer", Limits::HANDLER).await;
    let host = Arc::new(Recorder::default());
    let mut held = Vec::new();
    for number in 0..2 {
        let (waiter, its_host) = (Arc::clone(&waiter), Arc::clone(&host));
        held.push(tokio::spawn(async move { waiter.run(&job(number), LONG_MS, its_host).await }));
        host.waiting.notified().await;
    }
    assert_eq!(good.run(&job(3), 50, Arc::clone(&host) as Arc<_>).await.value, Err(Fault::Wall));
    held[0].abort();
    assert_eq!(good.run(&job(3), LONG_MS, host).await.value.unwrap().unwrap().content, "fine");
}

/// std sees no environment, the date of the job, and randomness that is derived from the job.
#[tokio::test]
async fn std_sees_a_fixed_environment() {
    let guest = load(&sandbox(), &format!("handler:{KIND}"), "probe", granted()).await;
    let host = Arc::new(Recorder::default());
    let seen = async |job: Job| {
        let output =
            guest.run(&job, LONG_MS, Arc::clone(&host) as Arc<_>).await.value.unwrap().unwrap();
        output
            .attributes
            .into_iter()
            .map(|it| (it.name, it.value))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let (one, again, other) = (seen(job(1)).await, seen(job(1)).await, seen(job(2)).await);
    assert_eq!(one, again);
    for (name, value) in [
        ("environment", "0"),
        ("arguments", "0"),
        ("stdin", "Ok(0)"),
        ("clock", "1700000000"),
        ("elapsed", "0"),
    ] {
        assert_eq!(one[name], value, "{name}");
    }
    assert_ne!(one["random"], other["random"]);
    assert!(host.has_line(LogLevel::Info, "out") && host.has_line(LogLevel::Warn, "err"));
    assert!(host.has_line(LogLevel::Info, "unended"));
}

/// A panic is a trap, and its message is in the log.
#[tokio::test]
async fn a_panic_message_is_logged() {
    let guest = hostile(&sandbox(), "panic", Limits::HANDLER).await;
    let host = Arc::new(Recorder::default());
    assert_eq!(
        guest.run(&job(1), LONG_MS, Arc::clone(&host) as Arc<_>).await.value,
        Err(Fault::Trap)
    );
    assert!(host.has_line(LogLevel::Warn, "on purpose"));
}

/// A completion passes through the guest: text, partial outputs and summary. No stream stays open.
#[tokio::test]
async fn a_completion_is_read_to_the_end() {
    let guest = hostile(&sandbox(), "generate", Limits::HANDLER).await;
    let host = Arc::new(Recorder::default());
    let answer = guest.run(&job(1), LONG_MS, Arc::clone(&host) as Arc<_>).await;
    assert_eq!(answer.value.unwrap().unwrap().content, "hello world by m");
    assert_eq!(*host.partials.lock().unwrap(), ["hello ", "hello world"]);
    assert_eq!(host.open_streams(), 0);
    let invalid =
        hostile(&sandbox(), "invalid", Limits::HANDLER).await.run(&job(1), LONG_MS, host).await;
    assert_eq!(invalid.value, Ok(Err(JobError::Invalid("no".into()))));
}
