//! What the codec tolerates, what it rejects and with which message, and that no event makes it
//! fail.

mod confidential;
mod large;

use super::writer::ERROR_BYTES_MAX;
use super::*;
use nostr_sdk::{Event, EventBuilder, JsonUtil, Keys, Kind, Tag, Timestamp};
use proptest::prelude::*;
use pylon_core::guest::GuestRef;
use pylon_core::message::{Incoming, JobStatus, Message, ReplyTo};
use pylon_core::work::{Attribute, Output};
use pylon_core::{
    Digest, Input, InputSource, Job, JobId, MessageId, Msat, Param, PublicKey, UnixTime,
};

const NOW: u64 = 1_700_000_000;

fn now() -> UnixTime {
    UnixTime::new(NOW)
}

fn reader(us: &Keys) -> Reader {
    Reader::new(PublicKey::from_bytes(*us.public_key().as_bytes()))
}

fn event_at(
    author: &Keys,
    kind: u16,
    created_at: u64,
    content: &str,
    tags: Vec<Vec<String>>,
) -> Event {
    let tags = tags.into_iter().filter_map(|tag| Tag::parse(tag).ok());
    let event = EventBuilder::new(Kind::from_u16(kind), content).tags(tags).allow_self_tagging();
    event.custom_created_at(Timestamp::from_secs(created_at)).sign_with_keys(author).unwrap()
}

fn strings(tags: &[&[&str]]) -> Vec<Vec<String>> {
    tags.iter().map(|tag| tag.iter().map(ToString::to_string).collect()).collect()
}

/// Screens and reads a request of kind 5050 from a customer to a provider.
fn read(us: &Keys, tags: &[&[&str]]) -> Result<Incoming, Ignored> {
    read_event(us, &event_at(&Keys::generate(), 5050, NOW, "", strings(tags)))
}

fn read_event(us: &Keys, event: &Event) -> Result<Incoming, Ignored> {
    let reader = reader(us);
    let screened = reader.screen(event, now())?;
    reader.read(event, screened, now(), us)
}

#[track_caller]
fn readable(tags: &[&[&str]]) -> Job {
    match read(&Keys::generate(), tags) {
        Ok(Incoming::Job(job)) => *job,
        other => panic!("{tags:?}: {other:?}"),
    }
}

#[track_caller]
fn unusable(tags: &[&[&str]]) -> String {
    match read(&Keys::generate(), tags) {
        Ok(Incoming::Malformed { reason, .. }) => reason,
        other => panic!("{tags:?}: {other:?}"),
    }
}

/// The message as one event.
fn written(message: &Message<'_>, us: &Keys) -> Event {
    let mut events = write(message, now(), us, SizeLimit::default()).unwrap();
    assert_eq!(events.len(), 1);
    events.remove(0)
}

fn text(text: &str) -> Input {
    Input { source: InputSource::Text(text.into()), hint: None, marker: None }
}

/// Requests of real clients are understood, even where NIP-90 forbids them or leaves them open.
#[test]
fn tolerates_what_real_clients_send() {
    let id = "ab".repeat(32);
    for (tags, inputs) in [
        (strings(&[&["i", "hi", "text"]]), vec![text("hi")]),
        (strings(&[&["i", "hi", "prompt"]]), vec![text("hi")]),
        (strings(&[&["i", "hi"]]), vec![text("hi")]),
        (strings(&[&["i", "hi", ""]]), vec![text("hi")]),
        (
            strings(&[&["i", "a"], &["i", "b", "text", "", "ctx"]]),
            vec![
                text("a"),
                Input {
                    source: InputSource::Text("b".into()),
                    hint: None,
                    marker: Some("ctx".into()),
                },
            ],
        ),
        (
            strings(&[&["i", "https://a/", "url"]]),
            vec![Input { source: InputSource::Url("https://a/".into()), hint: None, marker: None }],
        ),
        (
            strings(&[&["i", &id, "event", "wss://r/"]]),
            vec![Input {
                source: InputSource::Event(MessageId::from_hex(&id).unwrap()),
                hint: Some("wss://r/".into()),
                marker: None,
            }],
        ),
        (
            strings(&[&["i", &id, "job"]]),
            vec![Input {
                source: InputSource::Job(JobId::from_hex(&id).unwrap()),
                hint: None,
                marker: None,
            }],
        ),
    ] {
        let tags: Vec<Vec<&str>> =
            tags.iter().map(|tag| tag.iter().map(String::as_str).collect()).collect();
        let tags: Vec<&[&str]> = tags.iter().map(Vec::as_slice).collect();
        assert_eq!(readable(&tags).inputs, inputs, "{tags:?}");
    }
    let job = readable(&[
        &["i", "hi"],
        &["relays", "wss://a/", "wss://a", "wss://a/"],
        &["x-new", "1"],
        &["t", "topic"],
        &["output", ""],
        &["output", "text/plain"],
        &["output", "text/markdown"],
        &["param", "top-k", "20"],
        &["param", "top_k", "30"],
        &["param", "range", "1", "5"],
        &["param", "empty", ""],
        &["expiration", "soon"],
    ]);
    let param = |name: &str, values: &[&str]| Param {
        name: name.into(),
        values: values.iter().map(ToString::to_string).collect(),
    };
    let params = [
        param("top-k", &["20"]),
        param("top_k", &["30"]),
        param("range", &["1", "5"]),
        param("empty", &[""]),
    ];
    assert_eq!(job.params, params);
    assert_eq!((job.output.as_deref(), job.bid, job.targeted), (Some("text/plain"), None, false));
}

/// An invalid request is refused with a message that tells the customer what to change.
#[test]
fn rejects_with_a_reason() {
    let upper = "AB".repeat(32);
    let long = "x".repeat(200);
    for (tags, reason) in [
        (&[][..], "no usable input".to_owned()),
        (&[&["i"][..]], "an input has no data".into()),
        (&[&["i", "x", "image"]], "input type `image` is not one of text, url, event, job".into()),
        (
            &[&["i", "x", &long]],
            format!("input type `{}` is not one of text, url, event, job", "x".repeat(40)),
        ),
        (&[&["i", "nothex", "event"]], "an input of type `event` is not an event id".into()),
        (&[&["i", &upper, "job"]], "an input of type `job` is not an event id".into()),
        (&[&["i", "x"], &["param"]], "a param has no name".into()),
        (&[&["i", "x"], &["param", "model"]], "param `model` has no value".into()),
        (&[&["encrypted"]], "encrypted, but no provider is named".into()),
        (&[&["i", "x"], &["expiration", "1699999999"]], "expired".into()),
    ] {
        assert_eq!(unusable(tags), reason);
    }
    // Text outside of inputs is not a prompt.
    let event = event_at(&Keys::generate(), 5050, NOW, "please", vec![]);
    assert!(
        matches!(read_event(&Keys::generate(), &event), Ok(Incoming::Malformed { reason, .. }) if reason == "no usable input")
    );
}

/// Only whole msat are valid, and the lowest of several bids counts.
#[test]
fn a_bid_is_whole_msat_or_an_error() {
    for good in ["0", "1", "007", "18446744073709551615"] {
        assert_eq!(
            readable(&[&["i", "x"], &["bid", good]]).bid,
            Some(Msat::new(good.parse().unwrap()))
        );
    }
    for none in [&["bid"][..], &["bid", ""]] {
        assert_eq!(readable(&[&["i", "x"], none]).bid, None);
    }
    for bad in
        ["-1", "+1", "1e30", "1 000", "1.5", "0x10", "١", "18446744073709551616", " 1", "1sat"]
    {
        assert_eq!(
            unusable(&[&["i", "x"], &["bid", bad]]),
            format!("bid `{bad}` is not a number of msat")
        );
    }
    assert_eq!(
        readable(&[&["i", "x"], &["bid", "900"], &["bid", "500"], &["bid", "700"]]).bid,
        Some(Msat::new(500))
    );
}

/// Dates are compared without overflow, and events outside of the window are ignored.
#[test]
fn dates_outside_of_the_window_are_ignored() {
    let us = Keys::generate();
    for (created_at, timely) in [
        (NOW, true),
        (NOW - 3600, true),
        (NOW - 3601, false),
        (NOW + 300, true),
        (NOW + 301, false),
        (NOW + 86_400, false),
        (NOW - 30 * 86_400, false),
        (0, false),
        (1 << 63, false),
        (u64::MAX, false),
    ] {
        let event = event_at(&Keys::generate(), 5050, created_at, "", strings(&[&["i", "x"]]));
        let screened = reader(&us).screen(&event, now());
        assert_eq!(screened.is_ok(), timely, "{created_at}");
        if !timely {
            assert_eq!(screened, Err(Ignored::Untimely));
        }
    }
}

/// The size is checked before the tags are parsed, and only a request that names us is answered.
#[test]
fn oversized_requests_are_refused_before_parsing() {
    let us = Keys::generate();
    let named = vec!["p".to_owned(), us.public_key().to_hex()];
    let big = "x".repeat(REQUEST_BYTES_MAX);
    let many: Vec<Vec<String>> = (0..10_000).map(|_| strings(&[&["i", "x"]]).remove(0)).collect();
    for (content, mut tags) in [
        (big.as_str(), strings(&[&["i", "x"]])),
        ("", strings(&[&["i", &big]])),
        ("", strings(&[&["x", &big, &big]])),
        ("", many),
    ] {
        let broadcast = event_at(&Keys::generate(), 5050, NOW, content, tags.clone());
        assert_eq!(read_event(&us, &broadcast), Err(Ignored::TooLarge));
        tags.push(named.clone());
        let targeted = event_at(&Keys::generate(), 5050, NOW, content, tags);
        let Ok(Incoming::Malformed { targeted, reason, .. }) = read_event(&us, &targeted) else {
            panic!("it was read")
        };
        assert!(targeted && reason.ends_with("are allowed"), "{reason}");
    }
    let fits = "x".repeat(REQUEST_BYTES_MAX - 1);
    assert_eq!(readable(&[&["i", &fits]]).input_bytes(), fits.len() as u64);
}

/// The `p` tags decide, and only the canonical spelling of a key counts.
#[test]
fn requests_that_name_other_providers_are_ignored() {
    let (us, other) = (Keys::generate(), Keys::generate());
    let (ours, theirs) = (us.public_key().to_hex(), other.public_key().to_hex());
    let crowd: Vec<[&str; 2]> =
        std::iter::repeat_n(["p", theirs.as_str()], 150).chain([["p", ours.as_str()]]).collect();
    let crowd: Vec<&[&str]> = crowd.iter().map(|tag| &tag[..]).chain([&["i", "x"][..]]).collect();
    let upper = ours.to_uppercase();
    for (tags, expected) in [
        (&[&["i", "x"][..]][..], Ok(false)),
        (&[&["i", "x"], &["p"]], Ok(false)),
        (&[&["i", "x"], &["p", ""]], Ok(false)),
        (&[&["i", "x"], &["p", &ours]], Ok(true)),
        (&[&["i", "x"], &["p", &theirs], &["p", &ours, "wss://r/"]], Ok(true)),
        (&crowd, Ok(true)),
        (&[&["i", "x"], &["p", &theirs]], Err(Ignored::OtherProvider)),
        (&[&["i", "x"], &["p", "nonsense"]], Err(Ignored::OtherProvider)),
        (&[&["i", "x"], &["p", &upper]], Err(Ignored::OtherProvider)),
        // Not even an error for a request to another provider.
        (&[&["bid", "junk"], &["p", &theirs]], Err(Ignored::OtherProvider)),
    ] {
        match (read(&us, tags), expected) {
            (Ok(Incoming::Job(job)), Ok(targeted)) => assert_eq!(job.targeted, targeted),
            (got, expected) => assert_eq!(got.map(|_| false), expected),
        }
    }
}

/// Answers of our own and of other providers are not requests.
#[test]
fn answers_are_ignored() {
    let us = Keys::generate();
    let tags = strings(&[&["i", "x"]]);
    assert_eq!(read_event(&us, &event_at(&us, 5050, NOW, "", tags.clone())), Err(Ignored::Own));
    assert_eq!(
        read_event(&us, &event_at(&us, 5, NOW, "", strings(&[&["e", &"ab".repeat(32)]]))),
        Err(Ignored::Own)
    );
    for kind in [0, 1, 4999, 6000, 6050, 7000, 9735, 31_990, u16::MAX] {
        assert_eq!(
            read_event(&us, &event_at(&Keys::generate(), kind, NOW, "", tags.clone())),
            Err(Ignored::OtherKind)
        );
    }
    for kind in [5000, 5999] {
        assert!(matches!(
            read_event(&us, &event_at(&Keys::generate(), kind, NOW, "", tags.clone())),
            Ok(Incoming::Job(_))
        ));
    }
}

/// A deletion withdraws the events that it names in the canonical spelling, up to the limit, and
/// contains its author.
#[test]
fn a_deletion_names_requests() {
    let (us, customer) = (Keys::generate(), Keys::generate());
    let id = "ab".repeat(32);
    let tags = strings(&[
        &["e", &id],
        &["e", "junk"],
        &["e"],
        &["e", &"AB".repeat(32)],
        &["k", "5050"],
        &["p", &"cd".repeat(32)],
    ]);
    let author = PublicKey::from_bytes(*customer.public_key().as_bytes());
    let read_it = |tags| read_event(&us, &event_at(&customer, 5, NOW, "", tags));
    assert_eq!(
        read_it(tags),
        Ok(Incoming::Cancel {
            customer: author,
            jobs: vec![JobId::from_hex(&id).unwrap()],
            targeted: false
        })
    );
    assert_eq!(read_it(strings(&[&["a", "30023:x"]])), Err(Ignored::Nothing));
    let us_hex = us.public_key().to_hex();
    for (kinds, is_of_requests) in
        [(vec!["1", "30023"], false), (vec!["1", "5050"], true), (vec!["x"], false), (vec![], true)]
    {
        let kinds = kinds.iter().map(|kind| vec!["k".to_owned(), (*kind).to_owned()]);
        let named = strings(&[&["e", &id], &["p", &us_hex]]);
        let read = read_it(named.into_iter().chain(kinds.clone()).collect());
        match read {
            Ok(Incoming::Cancel { targeted, .. }) => assert!(targeted && is_of_requests),
            other => assert_eq!((other, is_of_requests), (Err(Ignored::Nothing), false)),
        }
    }
    let many = (0..199).map(|n| vec!["e".to_owned(), format!("{n:064}")]).collect();
    let Ok(Incoming::Cancel { jobs, .. }) = read_it(many) else { panic!("not a cancellation") };
    assert_eq!(jobs.len(), CANCELLED_MAX);

    let ours = cancellation(jobs[0], 5050)
        .custom_created_at(Timestamp::from_secs(NOW))
        .sign_with_keys(&customer)
        .unwrap();
    assert_eq!(
        read_event(&us, &ours),
        Ok(Incoming::Cancel { customer: author, jobs: vec![jobs[0]], targeted: false })
    );
}

/// Parameters are texts and are not interpreted.
#[test]
fn params_are_text() {
    for value in ["1000000000", "NaN", "../../x", "-1", "\u{0}\u{202e}"] {
        let job = readable(&[&["i", "x"], &["param", "model", value]]);
        assert_eq!(job.params[0].values, [value]);
    }
}

/// A result quotes the complete request and its inputs verbatim, and the buyer reads what was
/// written.
#[test]
fn a_result_is_read_as_written() {
    let (us, customer) = (Keys::generate(), Keys::generate());
    let tags = strings(&[
        &["i", "hi", "prompt", "wss://hint/", "m"],
        &["param", "model", "x"],
        &["i", "two"],
    ]);
    let asked = event_at(&customer, 5050, NOW, "", tags);
    let Ok(Incoming::Job(job)) = read_event(&us, &asked) else { panic!("not a job") };
    assert_eq!(Event::from_json(&job.origin).unwrap(), asked);

    let fact = Attribute { name: "tokens".into(), value: "7".into() };
    let guest_ref = GuestRef {
        slot: "pricing".into(),
        name: "flat".into(),
        version: "1".into(),
        digest: Digest::of(b"x"),
    };
    let output = Output {
        content: "hello".into(),
        mime: "text/plain".into(),
        attributes: vec![fact.clone()],
    };
    let guests = [guest_ref.clone()];
    let message = Message::Result {
        job: &job,
        output: &output,
        due: Some((Msat::new(2000), "lnbc1".into())),
        guests: &guests,
    };
    let event = written(&message, &us);
    let tags: Vec<Vec<String>> = event.tags.iter().map(|tag| tag.as_slice().to_vec()).collect();
    let (job_id, asker) = (asked.id.to_hex(), customer.public_key().to_hex());
    let expected = strings(&[
        &["request", &asked.as_json()],
        &["e", &job_id],
        &["p", &asker],
        &["i", "hi", "prompt", "wss://hint/", "m"],
        &["i", "two"],
        &["amount", "2000", "lnbc1"],
        &["guest", "pricing", "flat", "1", &Digest::of(b"x").to_hex()],
        &["result", "tokens", "7"],
    ]);
    assert_eq!((event.kind.as_u16(), event.content.as_str(), tags), (6050, "hello", expected));
    let delivered = parse_result(&event).unwrap();
    assert_eq!(
        (delivered.job, delivered.kind, delivered.content.as_str()),
        (job.id, 5050, "hello")
    );
    assert_eq!(
        (delivered.due, delivered.guests),
        (Some((Msat::new(2000), Some("lnbc1".into()))), vec![guest_ref])
    );
    assert_eq!((delivered.request, delivered.attributes), (Some(asked.as_json()), vec![fact]));
}

/// Feedback has a status and an expiration, and the buyer reads what was written.
#[test]
fn feedback_is_read_as_written() {
    let us = Keys::generate();
    let to = ReplyTo {
        job: JobId::from_bytes([1; 32]),
        kind: 5050,
        customer: PublicKey::from_bytes([2; 32]),
        confidential: None,
    };
    let due = JobStatus::PaymentRequired { amount: Msat::new(5), bolt11: "lnbc2".into() };
    for (sent, status, message, content, due) in [
        (
            due,
            FeedbackStatus::PaymentRequired,
            "",
            "",
            Some((Msat::new(5), Some("lnbc2".to_owned()))),
        ),
        (JobStatus::Processing, FeedbackStatus::Processing, "", "", None),
        (JobStatus::Partial("half".into()), FeedbackStatus::Partial, "", "half", None),
        (
            JobStatus::Error("no backend".into()),
            FeedbackStatus::Error,
            "no backend",
            "no backend",
            None,
        ),
    ] {
        let event = written(&Message::Feedback { to, status: sent }, &us);
        assert_eq!(event.kind.as_u16(), FEEDBACK_KIND);
        assert_eq!(event.tags.expiration().map(Timestamp::as_secs), Some(NOW + 3600));
        let provider = PublicKey::from_bytes(*us.public_key().as_bytes());
        let (message, content) = (message.to_owned(), content.to_owned());
        assert_eq!(
            parse_feedback(&event),
            Some(Feedback {
                job: to.job,
                provider,
                status,
                message,
                content,
                due,
                amount_invalid: false,
                encrypted: false
            })
        );
    }
    let long = JobStatus::Error("é".repeat(5000));
    let event = written(&Message::Feedback { to, status: long }, &us);
    assert_eq!(event.content.len(), ERROR_BYTES_MAX);
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,12}",
        "[0-9a-f]{64}",
        "[0-9]{1,25}",
        Just("text".to_owned()),
        Just("event".to_owned())
    ]
}

fn any_name() -> impl Strategy<Value = String> {
    let known = [
        "i",
        "p",
        "e",
        "param",
        "bid",
        "output",
        "encrypted",
        "expiration",
        "status",
        "amount",
        "guest",
        "result",
    ];
    prop_oneof![proptest::sample::select(known.to_vec()).prop_map(str::to_owned), any_text()]
}

fn any_bytes() -> impl Strategy<Value = [u8; 32]> {
    proptest::array::uniform32(any::<u8>())
}

fn any_request_tag() -> impl Strategy<Value = RequestTag> {
    let source = prop_oneof![
        ".*".prop_map(InputSource::Text),
        ".*".prop_map(InputSource::Url),
        any_bytes().prop_map(|id| InputSource::Event(MessageId::from_bytes(id))),
        any_bytes().prop_map(|id| InputSource::Job(JobId::from_bytes(id))),
    ];
    let optional = || proptest::option::of(".{1,20}");
    prop_oneof![
        (source, optional(), optional()).prop_map(|(source, marker, relay)| RequestTag::Input {
            input: Input { source, hint: None, marker },
            relay
        }),
        ".+".prop_map(RequestTag::Output),
        (".*", proptest::collection::vec(".*", 1..4))
            .prop_map(|(name, values)| RequestTag::Param(Param { name, values })),
        any::<u64>().prop_map(|most| RequestTag::Bid(Msat::new(most))),
        any_bytes().prop_map(|key| RequestTag::Provider(PublicKey::from_bytes(key))),
        Just(RequestTag::Encrypted),
        any::<u64>().prop_map(|at| RequestTag::Expiration(UnixTime::new(at))),
    ]
}

fn any_answer_tag() -> impl Strategy<Value = AnswerTag> {
    let status = proptest::sample::select(FeedbackStatus::ALL.as_slice());
    let message = || proptest::option::of(".+");
    let guest_ref = (".*", ".*", ".*", any_bytes());
    prop_oneof![
        any_bytes().prop_map(|id| AnswerTag::Job(JobId::from_bytes(id))),
        any_bytes().prop_map(|key| AnswerTag::Customer(PublicKey::from_bytes(key))),
        (status, message()).prop_map(|(status, message)| AnswerTag::Status(status, message)),
        (any::<u64>(), message())
            .prop_map(|(due, bolt11)| AnswerTag::Amount(Msat::new(due), bolt11)),
        ".*".prop_map(AnswerTag::Request),
        guest_ref.prop_map(|(slot, name, version, digest)| {
            AnswerTag::Guest(GuestRef { slot, name, version, digest: Digest::from_bytes(digest) })
        }),
        (".*", ".*").prop_map(|(name, value)| AnswerTag::Result(Attribute { name, value })),
        any::<u64>().prop_map(|at| AnswerTag::Expiration(UnixTime::new(at))),
        Just(AnswerTag::Encrypted),
        (any_bytes(), any_bytes()).prop_map(|(id, digest)| AnswerTag::Part(
            MessageId::from_bytes(id),
            Digest::from_bytes(digest)
        )),
        (any_bytes(), any::<u64>())
            .prop_map(|(digest, bytes)| AnswerTag::Whole(Digest::from_bytes(digest), bytes)),
    ]
}

proptest! {
    /// Tags are parsed as written.
    #[test]
    fn request_tags_are_parsed_as_written(tag in any_request_tag()) {
        prop_assert_eq!(RequestTag::parse(tag.to_tag().as_slice()), Ok(Some(tag)));
    }

    /// Tags are parsed as written.
    #[test]
    fn answer_tags_are_parsed_as_written(tag in any_answer_tag()) {
        prop_assert_eq!(AnswerTag::parse(tag.to_tag().as_slice()), Some(tag));
    }

    /// The codec never panics, and a valid request stays valid in the event that quotes it.
    #[test]
    fn nothing_makes_the_codec_fail(
        kind in prop_oneof![Just(5_u16), 5000_u16..6000, 6000_u16..7001],
        content in ".{0,40}",
        tags in proptest::collection::vec((any_name(), proptest::collection::vec(any_text(), 0..5)), 0..12),
    ) {
        let tags = tags.into_iter().map(|(name, values)| std::iter::once(name).chain(values).collect()).collect();
        let us = Keys::generate();
        let event = event_at(&Keys::generate(), kind, NOW, &content, tags);
        let _ = (parse_feedback(&event), parse_result(&event));
        if let Ok(Incoming::Job(job)) = read_event(&us, &event) {
            let again = read_event(&us, &Event::from_json(&job.origin).unwrap());
            prop_assert_eq!(again, Ok(Incoming::Job(job)));
        }
    }
}
