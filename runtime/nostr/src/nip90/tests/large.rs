//! Large answers: split, listed and assembled, or rejected if a part is wrong.

use super::*;

const ROOM: SizeLimit =
    SizeLimit { message_bytes: 20_000, content_bytes: 20_000, tags: usize::MAX };

fn frame(event: &Event) -> usize {
    event.as_json().len() + "[\"EVENT\",]".len()
}

fn job(us: &Keys, customer: &Keys, scheme: Option<Encryption>) -> Job {
    let us_hex = us.public_key().to_hex();
    let event = match scheme {
        None => event_at(customer, 5050, NOW, "", strings(&[&["i", "hi"], &["p", &us_hex]])),
        Some(scheme) => {
            let hidden = scheme.encrypt(customer, &us.public_key(), r#"[["i","hi"]]"#).unwrap();
            event_at(customer, 5050, NOW, &hidden, strings(&[&["p", &us_hex], &["encrypted"]]))
        }
    };
    let Ok(Incoming::Job(job)) = read_event(us, &event) else { panic!("not a job") };
    *job
}

fn output(content: String) -> Output {
    Output {
        content,
        attributes: vec![Attribute { name: "model".into(), value: "m".into() }],
        ..Output::default()
    }
}

fn deliver(us: &Keys, job: &Job, output: &Output) -> Vec<Event> {
    write(&Message::Result { job, output, due: None, guests: &[] }, now(), us, ROOM).unwrap()
}

/// Goal: the buyer gets the same text, and every event is within the limit. Method: texts that grow
/// as JSON and as UTF-8, unencrypted and in both schemes.
#[test]
fn a_large_answer_is_split_into_parts() {
    let (us, customer) = (Keys::generate(), Keys::generate());
    let texts = [
        "plain text ".repeat(10_000),
        "\u{1}\n\"\\".repeat(15_000),
        "é\u{1F980}".repeat(12_000),
        "x".repeat(20_001),
    ];
    for scheme in [None, Some(Encryption::Nip04), Some(Encryption::Nip44)] {
        for content in &texts {
            let (job, output) = (job(&us, &customer, scheme), output(content.clone()));
            let mut events = deliver(&us, &job, &output);
            assert!(
                events
                    .iter()
                    .all(|event| frame(event) <= ROOM.message_bytes && event.verify().is_ok())
            );
            let answer = events.pop().unwrap();
            let (count, chars) = (events.len(), &content[..8.min(content.len() / 8 * 8)]);
            for (event, number) in events.iter().zip(1..) {
                assert_eq!(event.kind.as_u16(), PART_KIND);
                assert_eq!(event.tags.identifier(), Some(format!("{}:{number}", job.id).as_str()));
                assert!(scheme.is_none() || !event.content.contains(chars));
            }
            let read = parse_result(&answer).unwrap().decrypt(&customer).unwrap();
            assert!(
                read.content.contains(&format!("in {count} events of kind 30078")),
                "{}",
                read.content
            );
            assert_eq!(
                (read.encrypted, read.attributes.clone()),
                (scheme.is_some(), output.attributes)
            );
            events.reverse();
            let whole = assemble(read, &events, &customer).unwrap();
            assert!(whole.content == *content && whole.parts.is_none());
        }
    }
}

/// Goal: an answer that fits is one event; if it nearly fits, it repeats less of the request.
/// Method: sizes around the limit.
#[test]
fn an_answer_that_fits_is_one_event() {
    let (us, customer) = (Keys::generate(), Keys::generate());
    let job = job(&us, &customer, None);
    let empty = frame(&deliver(&us, &job, &output(String::new()))[0]);
    let input_tag = r#",["i","hi"]"#.len();
    for (bytes, events, quotes_input) in [
        (ROOM.message_bytes - empty, 1, true),
        (ROOM.message_bytes - empty + input_tag, 1, false),
        (ROOM.message_bytes, 3, true),
    ] {
        let sent = deliver(&us, &job, &output("x".repeat(bytes)));
        let answer = sent.last().unwrap();
        let has = |name: &str| answer.tags.iter().any(|tag| tag.as_slice()[0] == name);
        assert_eq!((sent.len(), has("i"), has("request")), (events, quotes_input, true), "{bytes}");
    }
    let long = "y".repeat(30_000);
    let asked = event_at(&customer, 5050, NOW, "", strings(&[&["i", &long]]));
    let Ok(Incoming::Job(job)) = read_event(&us, &asked) else { panic!("not a job") };
    let sent = deliver(&us, &job, &output("short".into()));
    assert_eq!(
        (sent.len(), sent[0].content.as_str(), parse_result(&sent[0]).unwrap().request),
        (1, "short", None)
    );
}

/// Goal: feedback is never split, so it is not sent if it is too large. Method: a partial text over
/// the limit.
#[test]
fn an_oversized_partial_text_is_not_sent() {
    let to = ReplyTo {
        job: JobId::from_bytes([1; 32]),
        kind: 5050,
        customer: PublicKey::from_bytes([2; 32]),
        confidential: None,
    };
    let message = Message::Feedback { to, status: JobStatus::Partial("x".repeat(20_001)) };
    let why = write(&message, now(), &Keys::generate(), ROOM).unwrap_err().to_string();
    assert_eq!(why, "cannot be published: it is larger than the relays accept");
}

/// Goal: only the provider's own parts, complete and in order, are accepted. Method: one change per
/// row.
#[test]
fn a_wrong_part_is_rejected() {
    let (us, customer, mallory) = (Keys::generate(), Keys::generate(), Keys::generate());
    for scheme in [None, Some(Encryption::Nip44)] {
        let job = job(&us, &customer, scheme);
        let mut parts = deliver(&us, &job, &output("text ".repeat(12_000)));
        let read = parse_result(&parts.pop().unwrap()).unwrap().decrypt(&customer).unwrap();
        let put = |parts: &[Event]| assemble(read.clone(), parts, &customer).map(drop);
        assert_eq!(put(&parts), Ok(()));

        let count = parts.len();
        let changed = |change: fn(&mut Event, &Keys)| {
            let mut parts = parts.clone();
            change(&mut parts[1], &mallory);
            parts
        };
        assert_eq!(put(&parts[1..]), Err(format!("part 1 of {count} is missing")));
        let other = changed(|part, _| part.content.push('!'));
        assert_eq!(
            put(&other),
            Err(format!("part 2 of {count} has another SHA-256 than in the result"))
        );
        let other = changed(|part, mallory| part.pubkey = mallory.public_key());
        assert_eq!(put(&other), Err(format!("part 2 of {count} is not the provider's")));
        let other = changed(|part, _| part.tags = nostr_sdk::Tags::new());
        assert_eq!(
            put(&other).is_err(),
            scheme.is_some(),
            "an unencrypted part of a confidential answer"
        );

        let mut endless = read.clone();
        endless.parts.as_mut().unwrap().list = vec![read.parts.as_ref().unwrap().list[0]; 1024];
        assert_eq!(
            assemble(endless, &parts, &customer).unwrap_err(),
            "the 1024 parts together are larger than the result says"
        );

        let mut swapped = read.clone();
        swapped.parts.as_mut().unwrap().list.swap(0, 1);
        let why = assemble(swapped, &parts, &customer).unwrap_err();
        assert_eq!(
            why,
            format!("the {count} parts together have another SHA-256 than in the result")
        );
    }
}

/// Goal: a result that the relays cannot carry is known before it is charged, and any other is sent
/// whatever amount is due. Method: texts of more and more parts for relays that accept 16 KiB, with
/// an invoice and guests, until one is refused; then more parts than are allowed.
#[test]
fn the_list_of_parts_is_limited() {
    let (us, customer) = (Keys::generate(), Keys::generate());
    let room = SizeLimit {
        message_bytes: EVENT_BYTES_MIN,
        content_bytes: EVENT_BYTES_MIN,
        ..SizeLimit::default()
    };
    let due = (Msat::new(u64::MAX), "lnbc".repeat(256));
    let guest_ref = |slot: &str| GuestRef {
        slot: slot.into(),
        name: "x".repeat(40),
        version: "10.20.30".into(),
        digest: Digest::of(b""),
    };
    let guests =
        ["handler:5050", "routing:5050", "pricing:5050", "verification:5050"].map(guest_ref);
    for scheme in [None, Some(Encryption::Nip44)] {
        let job = job(&us, &customer, scheme);
        let mut refused = None;
        for kilobytes in (10..2000).step_by(100) {
            let output = output("x".repeat(kilobytes * 1000));
            let sent = write(
                &Message::Result {
                    job: &job,
                    output: &output,
                    due: Some(due.clone()),
                    guests: &guests,
                },
                now(),
                &us,
                room,
            );
            match check(&job, &output, now(), &us, room) {
                Ok(()) => {
                    let sent = sent.unwrap();
                    assert!(
                        sent.iter().all(|event| frame(event) <= room.message_bytes),
                        "{kilobytes} KB"
                    );
                }
                Err(error) => {
                    refused = refused.or(Some((kilobytes, error.to_string())));
                    assert!(kilobytes < 1500 || sent.is_err(), "{kilobytes} KB");
                }
            }
        }
        let (kilobytes, message) = refused.unwrap();
        assert!((500..1500).contains(&kilobytes), "{kilobytes} KB");
        assert!(
            message.contains("larger than the relays accept, even in parts: request less"),
            "{message}"
        );
    }
    let endless = output("x".repeat(1100 * EVENT_BYTES_MIN));
    let message =
        check(&job(&us, &customer, None), &endless, now(), &us, room).unwrap_err().to_string();
    assert!(message.contains("parts, 1024 are allowed"), "{message}");
}

/// Goal: the check counts everything that a result is sent with, so that a result that passes can
/// be signed with any invoice, and one that does not pass cannot. Method: little text with
/// attributes around the limit, as plain text, as text that grows as JSON, and many, for jobs in
/// the clear and encrypted; then a relay that limits the number of tags.
#[test]
fn attributes_are_checked_as_they_are_sent() {
    let (us, customer) = (Keys::generate(), Keys::generate());
    let due = (Msat::new(u64::MAX), "lnbc".repeat(256));
    let few_tags = SizeLimit { tags: EVENT_TAGS_MIN, ..SizeLimit::default() };
    let attribute = |name: &str, value: String| Attribute { name: name.into(), value };
    let rows = [
        (ROOM, vec![attribute("a", "x".repeat(200 * 1024))], false),
        (ROOM, vec![attribute("a", "x".repeat(2000))], true),
        (ROOM, vec![attribute("a", "\u{1}".repeat(4000))], false),
        (ROOM, vec![attribute("a", "\"".repeat(11_000))], false),
        (ROOM, vec![attribute("a", "y".repeat(10)); 3000], false),
        (SizeLimit::default(), vec![attribute("a", "x".repeat(66_000))], false),
        (few_tags, vec![attribute("a", "y".into()); 20], true),
        (few_tags, vec![attribute("a", "y".into()); 40], false),
    ];
    for scheme in [None, Some(Encryption::Nip04), Some(Encryption::Nip44)] {
        let job = job(&us, &customer, scheme);
        for (room, attributes, fits) in &rows {
            let output =
                Output { content: "z".into(), attributes: attributes.clone(), ..Output::default() };
            // Encrypted attributes are one tag.
            let fits = *fits || (scheme.is_some() && room.tags == EVENT_TAGS_MIN);
            let what = format!("{scheme:?} {} {}", attributes.len(), attributes[0].value.len());
            let checked =
                check(&job, &output, now(), &us, *room).map_err(|error| error.to_string());
            assert_eq!(checked.is_ok(), fits, "{what}: {checked:?}");
            let message =
                Message::Result { job: &job, output: &output, due: Some(due.clone()), guests: &[] };
            let written = write(&message, now(), &us, *room);
            assert!(!fits || written.is_ok(), "{what}: {written:?}");
            for event in written.iter().flatten() {
                let is_held = frame(event) <= room.message_bytes && event.tags.len() <= room.tags;
                assert!(is_held, "{what}");
            }
        }
    }
}

proptest! {
    /// The parts are the text, and none is too large, whatever the text and the limit.
    #[test]
    fn parts_are_the_text(text in "(?s).{2000,9000}", bytes in 5000_usize..8000) {
        let (us, customer) = (Keys::generate(), Keys::generate());
        let room =
            SizeLimit { message_bytes: bytes, content_bytes: bytes, ..SizeLimit::default() };
        let (job, output) = (job(&us, &customer, None), output(text.clone()));
        let message = Message::Result { job: &job, output: &output, due: None, guests: &[] };
        let mut events = write(&message, now(), &us, room).unwrap();
        let answer = events.pop().unwrap();
        prop_assert!(events.iter().all(|event| frame(event) <= bytes));
        let whole = assemble(parse_result(&answer).unwrap(), &events, &customer).unwrap();
        prop_assert_eq!(whole.content, text);
    }
}
