//! Confidential jobs: both schemes in both directions, and invalid encryption.

use super::*;
use crate::nip90::encryption;
use nostr_sdk::nips::{nip04, nip44};

const SCHEMES: [Encryption; 2] = [Encryption::Nip04, Encryption::Nip44];

fn seal(scheme: Encryption, from: &Keys, to: &Keys, text: &str) -> String {
    match scheme {
        Encryption::Nip04 => nip04::encrypt(from.secret_key(), &to.public_key(), text).unwrap(),
        Encryption::Nip44 => {
            nip44::encrypt(from.secret_key(), &to.public_key(), text, nip44::Version::V2).unwrap()
        }
    }
}

/// A request to us with this content and the tag `encrypted`.
fn confidential(from: &Keys, us: &Keys, content: &str, tags: &[&[&str]]) -> Event {
    let mut tags = strings(tags);
    tags.push(vec!["p".into(), us.public_key().to_hex()]);
    tags.push(vec!["encrypted".into()]);
    event_at(from, 5050, NOW, content, tags)
}

#[track_caller]
fn job_of(us: &Keys, event: &Event) -> Job {
    match read_event(us, event) {
        Ok(Incoming::Job(job)) => *job,
        other => panic!("{other:?}"),
    }
}

fn answered(us: &Keys, message: &Message<'_>) -> Event {
    let mut events = write(message, now(), us, SizeLimit::default()).unwrap();
    assert_eq!(events.len(), 1);
    events.remove(0)
}

/// Goal: a request in either scheme is read, and all answers use the same scheme, for the customer
/// alone. Method: each scheme, encrypted as another library would; then every message, searched for
/// the text, and decrypted by the customer and by another key.
#[test]
fn answers_use_the_scheme_of_the_request() {
    let (us, customer, stranger) = (Keys::generate(), Keys::generate(), Keys::generate());
    for scheme in SCHEMES {
        let hidden = r#"[["i","canary","text"],["param","model","canary"],["output","text/plain"],["bid","700"],["p","x"]]"#;
        let event =
            confidential(&customer, &us, &seal(scheme, &customer, &us, hidden), &[&["bid", "900"]]);
        let job = job_of(&us, &event);
        assert_eq!(
            (job.inputs.clone(), job.bid, job.confidential),
            (vec![text("canary")], Some(Msat::new(700)), true)
        );
        assert_eq!((job.params.len(), job.output.as_deref()), (1, Some("text/plain")));

        let to = ReplyTo::of(&job);
        let fact = Attribute { name: "model".into(), value: "canary".into() };
        let output = Output {
            content: "canary answer".into(),
            attributes: vec![fact.clone()],
            ..Output::default()
        };
        let feedback = |status| answered(&us, &Message::Feedback { to, status });
        let (partial, error) = (
            feedback(JobStatus::Partial("canary half".into())),
            feedback(JobStatus::Error("canary is bad".into())),
        );
        let result = Message::Result {
            job: &job,
            output: &output,
            due: Some((Msat::new(5), "lnbc5".into())),
            guests: &[],
        };
        let result = answered(&us, &result);
        for event in [&partial, &error, &result] {
            assert!(!event.as_json().contains("canary"), "{}", event.as_json());
            assert!(event.tags.iter().all(|tag| tag.as_slice()[0] != "i"));
            assert_eq!(Encryption::of(&event.content), scheme);
        }
        let processing =
            parse_feedback(&feedback(JobStatus::Processing)).unwrap().decrypt(&customer).unwrap();
        assert_eq!(
            (processing.status, processing.content.as_str()),
            (FeedbackStatus::Processing, "")
        );

        // Other customers expect feedback as a list of tags, and a result as plain text.
        let plain = |event: &Event| {
            encryption::decrypt(&customer, &us.public_key(), &event.content).unwrap()
        };
        assert_eq!(plain(&partial), r#"[["status","partial"],["content","canary half"]]"#);
        assert_eq!(
            plain(&error),
            r#"[["status","error","canary is bad"],["content","canary is bad"]]"#
        );
        assert_eq!(plain(&result), "canary answer");
        let read = parse_feedback(&partial).unwrap().decrypt(&customer).unwrap();
        assert_eq!((read.status, read.content.as_str()), (FeedbackStatus::Partial, "canary half"));
        let read = parse_feedback(&error).unwrap().decrypt(&customer).unwrap();
        assert_eq!((read.status, read.message.as_str()), (FeedbackStatus::Error, "canary is bad"));
        let read = parse_result(&result).unwrap().decrypt(&customer).unwrap();
        assert_eq!((read.content.as_str(), read.attributes), ("canary answer", vec![fact]));
        assert_eq!(
            (read.due, read.request),
            (Some((Msat::new(5), Some("lnbc5".into()))), Some(event.as_json()))
        );
        assert!(parse_result(&result).unwrap().decrypt(&stranger).is_err());
        assert!(parse_feedback(&error).unwrap().decrypt(&stranger).is_err());
    }
}

/// Goal: our buyer's request hides everything but its address. Method: write it, check it, parse
/// it.
#[test]
fn a_buyer_hides_everything_but_the_address() {
    let (us, customer) = (Keys::generate(), Keys::generate());
    let provider = RequestTag::Provider(PublicKey::from_bytes(*us.public_key().as_bytes()));
    let tags = [
        RequestTag::Input { input: text("canary"), relay: None },
        RequestTag::Param(Param { name: "model".into(), values: vec!["canary".into()] }),
        RequestTag::Bid(Msat::new(7)),
        RequestTag::Encrypted,
        RequestTag::Expiration(UnixTime::new(NOW + 60)),
    ];
    let sent = |tags: &[RequestTag]| confidential_request(5050, tags, &customer);
    let event = sent(&[&tags[..], std::slice::from_ref(&provider)].concat()).unwrap();
    let event =
        event.custom_created_at(Timestamp::from_secs(NOW)).sign_with_keys(&customer).unwrap();
    let names: Vec<&str> = event.tags.iter().map(|tag| tag.as_slice()[0].as_str()).collect();
    assert_eq!(names, ["expiration", "p", "encrypted"]);
    assert_eq!(Encryption::of(&event.content), Encryption::Nip44);
    let job = job_of(&us, &event);
    assert_eq!(
        (job.inputs, job.bid, job.params.len()),
        (vec![text("canary")], Some(Msat::new(7)), 1)
    );
    assert!(sent(&tags).is_err() && sent(&[provider.clone(), provider]).is_err());
}

/// Goal: an unreadable request gets one clear error if it names us, none otherwise, in bounded
/// memory. Method: one invalid content per row.
#[test]
fn an_unreadable_request_is_refused() {
    let (us, other, customer) = (Keys::generate(), Keys::generate(), Keys::generate());
    let elsewhere = "encrypted, but not to this key with NIP-04 or NIP-44";
    let no_tags = "encrypted, but the content is not a JSON array of tags";
    let mut rows = vec![
        (String::new(), elsewhere),
        ("plain words".into(), elsewhere),
        ("?iv=".into(), elsewhere),
        ("AAAA?iv=AAAAAAAAAAAAAAAAAAAAAA==".into(), elsewhere),
        ("x?iv=AAAAAAAAAAAAAAAAAAAAAA==?iv=".into(), elsewhere),
        // Version 2, then nothing, one byte, and a length prefix of 4 GiB.
        ("Ag==".into(), elsewhere),
        ("AgA=".into(), elsewhere),
        (format!("Ag{}", "/".repeat(2000)), elsewhere),
        ("AgD/////////".repeat(20), elsewhere),
    ];
    for scheme in SCHEMES {
        let to_us = |text: &str| seal(scheme, &customer, &us, text);
        rows.push((seal(scheme, &customer, &other, r#"[["i","x"]]"#), elsewhere));
        rows.push((to_us("x"), no_tags));
        rows.push((to_us("{}"), no_tags));
        rows.push((to_us(r#"[["i",1]]"#), no_tags));
        rows.push((to_us(&"[".repeat(20_000)), no_tags));
        rows.push((to_us("[]"), "no usable input"));
        rows.push((
            to_us(r#"[["i","x"],["bid","canary"]]"#),
            "bid `canary` is not a number of msat",
        ));
        rows.push((
            to_us(&format!("[{}[]]", r#"["i","x"],"#.repeat(300))),
            "303 tags, 200 are allowed",
        ));
    }
    for (content, expected) in rows {
        let event = confidential(&customer, &us, &content, &[]);
        let Ok(Incoming::Malformed { targeted, reason, confidential, .. }) =
            read_event(&us, &event)
        else {
            panic!("{content} was read")
        };
        assert_eq!((targeted, reason.as_str()), (true, expected), "{content}");
        // A reason that may quote the text is sent encrypted.
        let quotes = expected == "no usable input" || expected.starts_with("bid");
        assert_eq!(confidential.is_some(), quotes, "{expected}");
    }
    let content = seal(Encryption::Nip44, &customer, &us, r#"[["i","x"]]"#);
    let to_all = event_at(&customer, 5050, NOW, &content, strings(&[&["encrypted"]]));
    assert!(matches!(
        read_event(&us, &to_all),
        Ok(Incoming::Malformed { targeted: false, confidential: None, .. })
    ));
    let big = confidential(&customer, &us, &"A".repeat(REQUEST_BYTES_MAX), &[]);
    assert!(
        matches!(read_event(&us, &big), Ok(Incoming::Malformed { reason, .. }) if reason.ends_with("are allowed"))
    );
}

/// Goal: a buyer does not decrypt a text of any size. Method: more than the limit.
#[test]
fn an_oversized_answer_is_not_decrypted() {
    let (us, provider) = (Keys::generate(), Keys::generate());
    let why = encryption::decrypt(&us, &provider.public_key(), &"A".repeat(2 << 20)).unwrap_err();
    assert!(why.ends_with("are allowed"), "{why}");
}

fn any_fact() -> impl Strategy<Value = Attribute> {
    (".{0,20}", "(?s).{0,20}").prop_map(|(name, value)| Attribute { name, value })
}

proptest! {
    /// Attributes are read as written.
    #[test]
    fn attributes_are_read_as_written(facts in proptest::collection::vec(any_fact(), 0..4)) {
        prop_assert_eq!(encryption::attributes_of_text(&encryption::attributes_to_text(&facts)), facts);
    }

    /// A text of the computed size fits, and the library accepts it.
    #[test]
    fn a_text_of_the_computed_size_fits(room in 200_usize..100_000, scheme in proptest::sample::select(SCHEMES.to_vec())) {
        let (us, other) = (Keys::generate(), Keys::generate());
        let text = "x".repeat(scheme.text_bytes(room));
        let encrypted = scheme.encrypt(&us, &other.public_key(), &text).unwrap();
        prop_assert!(encrypted.len() <= room, "{} in {room}", encrypted.len());
        prop_assert_eq!(encryption::decrypt(&other, &us.public_key(), &encrypted), Ok(text));
    }

    /// The codec never panics, whatever the content.
    #[test]
    fn no_content_makes_the_codec_fail(content in "(?s).{0,60}|A[A-Za-z0-9+/]{0,300}(\\?iv=)?[A-Za-z0-9+/]{0,30}={0,2}", hidden in "(?s).{1,60}") {
        let (us, customer) = (Keys::generate(), Keys::generate());
        for content in [content.clone(), seal(Encryption::Nip04, &customer, &us, &hidden), seal(Encryption::Nip44, &customer, &us, &hidden)] {
            let event = confidential(&customer, &us, &content, &[]);
            let answers = matches!(read_event(&us, &event), Ok(Incoming::Malformed { .. } | Incoming::Job(_)));
            prop_assert!(answers);
        }
    }
}
