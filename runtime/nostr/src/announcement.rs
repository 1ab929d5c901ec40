//! What a node says of itself, as pure functions: its profile (kind 0), its relays (NIP-65), what it does (NIP-89), and that it has left
//! (NIP-09).
//!
//! The announcement has one `d` for as long as the key lives, so that each new one replaces the last, and one `k` for each kind that can be
//! served at this moment. Its content is JSON in the shape of a profile with what a buyer wants to know beside it:
//!
//! ```json
//! {"name": "…", "about": "…", "amount": "free" or "flexible", "encryptionSupported": true, "nip90Params": {"model": {"required": false, "values": ["…"]}}}
//! ```
//!
//! `amount`, `encryptionSupported` and `nip90Params` are the words that clients of other providers read. "flexible" means that a price is named for each job.
//!
//! A node that leaves replaces its announcement by an empty one and then deletes it by address and by id. Not every relay follows NIP-09, and of
//! those that do not each knows addresses: one that ignores the deletion is left with an announcement that no search by kind finds.

use super::nip90::DELETION_KIND;
use nostr_sdk::{Event, EventBuilder, Filter, Kind, PublicKey, Tag, TagKind, Timestamp};
use pylon_core::UnixTime;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The `d` of every announcement of ours.
pub const IDENTIFIER: &str = "pylon";
/// An announcement that is older is said anew: who looks for providers passes over those who have been silent for long.
const FRESH_SECONDS: u64 = 24 * 3600;
/// Models that are named; a buyer may ask for others.
const MODELS_MAX: usize = 64;

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeAnnouncement {
    /// Shown to people. Empty: the profile is left as it is.
    pub name: String,
    /// Shown to people. Empty: what a profile says already stays.
    pub about: String,
    /// The requests that can be served now, in order.
    pub kinds: Vec<u16>,
    /// The models that can be asked for now.
    pub models: Vec<String>,
    /// Nothing is charged.
    pub free: bool,
}

/// What is said, one replaceable event each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Who we are.
    Profile,
    /// Where we are.
    Relays,
    /// What we do.
    Announcement,
}

impl Subject {
    /// All of them, in the order in which they are published.
    pub const ALL: [Self; 3] = [Self::Profile, Self::Relays, Self::Announcement];

    /// Of its event.
    pub const fn kind(self) -> u16 {
        match self {
            Self::Profile => 0,
            Self::Relays => 10002,
            Self::Announcement => 31990,
        }
    }

    /// Is this event about it, and the one that the next will replace?
    pub fn is_of(self, event: &Event) -> bool {
        event.kind.as_u16() == self.kind()
            && (self != Self::Announcement || event.tags.identifier() == Some(IDENTIFIER))
    }
}

/// Everything that this key has said of itself.
pub fn filter(us: PublicKey) -> Filter {
    Filter::new().author(us).kinds(Subject::ALL.map(|subject| Kind::from_u16(subject.kind())))
}

/// What is to be said now, after what was said last. `None` if that still holds, or if there is nothing to say.
pub fn due(
    subject: Subject,
    node: &NodeAnnouncement,
    relays: &[String],
    last: Option<&Event>,
    now: UnixTime,
) -> Option<EventBuilder> {
    let (content, tags) = match subject {
        Subject::Profile => (profile(node, last)?, Vec::new()),
        Subject::Relays => (String::new(), relay_list(relays, last)?),
        Subject::Announcement => announcement(node, last, now)?,
    };
    Some(after(last, EventBuilder::new(Kind::from_u16(subject.kind()), content).tags(tags), now))
}

/// What replaces the announcement when the node leaves. `None` if there is none, or it says nothing already.
pub fn emptied(last: Option<&Event>, now: UnixTime) -> Option<EventBuilder> {
    due(Subject::Announcement, &NodeAnnouncement::default(), &[], last, now)
}

/// The deletion of every announcement so far, to be signed by its author.
pub fn deletion(last: &Event, earlier: Option<&Event>, now: UnixTime) -> EventBuilder {
    let address = format!("{}:{}:{IDENTIFIER}", Subject::Announcement.kind(), last.pubkey.to_hex());
    let ids =
        [Some(last), earlier].into_iter().flatten().map(|event| tag("e", [event.id.to_hex()]));
    let tags = [tag("a", [address]), tag("k", [Subject::Announcement.kind().to_string()])]
        .into_iter()
        .chain(ids);
    let at = UnixTime::new(last.created_at.as_secs()).max(now);
    EventBuilder::new(Kind::from_u16(DELETION_KIND), "")
        .tags(tags)
        .custom_created_at(Timestamp::from_secs(at.get()))
}

/// An announcement as others find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The requests it is for.
    pub kinds: Vec<u16>,
    /// Shown to people.
    pub name: String,
    /// The models it names.
    pub models: Vec<String>,
    /// When it was said.
    pub created_at: UnixTime,
}

/// Reads an announcement. `None` if it is none, or was withdrawn.
pub fn parse(event: &Event) -> Option<Announced> {
    if !Subject::Announcement.is_of(event) {
        return None;
    }
    let kinds: Vec<u16> = values(event, "k").filter_map(|kind| kind.parse().ok()).collect();
    let content: Value = serde_json::from_str(&event.content).unwrap_or_default();
    let models = content.pointer("/nip90Params/model/values").and_then(Value::as_array);
    let models =
        models.into_iter().flatten().filter_map(|model| Some(model.as_str()?.to_owned())).collect();
    let name = content.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    (!kinds.is_empty()).then(|| Announced {
        kinds,
        name,
        models,
        created_at: UnixTime::new(event.created_at.as_secs()),
    })
}

/// The profile there is with our name and words in it: a picture or an address that somebody put there stays.
fn profile(node: &NodeAnnouncement, last: Option<&Event>) -> Option<String> {
    if node.name.is_empty() {
        return None;
    }
    let before: Option<Map<String, Value>> =
        last.and_then(|event| serde_json::from_str(&event.content).ok());
    let mut fields = before.clone().unwrap_or_default();
    fields.insert("name".into(), json!(node.name));
    if !node.about.is_empty() {
        fields.insert("about".into(), json!(node.about));
    }
    (before.as_ref() != Some(&fields)).then(|| Value::Object(fields).to_string())
}

fn relay_list(relays: &[String], last: Option<&Event>) -> Option<Vec<Tag>> {
    let wanted: BTreeSet<&str> = relays.iter().map(String::as_str).collect();
    let plain = |event: &Event| event.tags.iter().all(|tag| tag.as_slice().len() == 2);
    let holds = last
        .is_some_and(|event| plain(event) && values(event, "r").collect::<BTreeSet<_>>() == wanted);
    (!holds).then(|| wanted.into_iter().map(|url| tag("r", [url])).collect())
}

fn announcement(
    node: &NodeAnnouncement,
    last: Option<&Event>,
    now: UnixTime,
) -> Option<(String, Vec<Tag>)> {
    let kinds: BTreeSet<String> = node.kinds.iter().map(u16::to_string).collect();
    let content = if kinds.is_empty() {
        String::new()
    } else {
        let mut fields = Map::from_iter([
            ("name".to_owned(), json!(node.name)),
            ("amount".to_owned(), json!(if node.free { "free" } else { "flexible" })),
            ("encryptionSupported".to_owned(), json!(true)),
        ]);
        if !node.about.is_empty() {
            fields.insert("about".into(), json!(node.about));
        }
        if !node.models.is_empty() {
            let models: Vec<&String> = node.models.iter().take(MODELS_MAX).collect();
            fields.insert(
                "nip90Params".into(),
                json!({"model": {"required": false, "values": models}}),
            );
        }
        Value::Object(fields).to_string()
    };
    let holds = match last {
        None => kinds.is_empty(),
        Some(last) => {
            let fresh = kinds.is_empty()
                || now.since(UnixTime::new(last.created_at.as_secs())) < FRESH_SECONDS;
            fresh
                && values(last, "k").map(str::to_owned).collect::<BTreeSet<_>>() == kinds
                && last.content == content
        }
    };
    let tags = std::iter::once(tag("d", [IDENTIFIER]))
        .chain(kinds.into_iter().map(|kind| tag("k", [kind])));
    (!holds).then(|| (content, tags.collect()))
}

/// Of two replaceable events the later one stays, and of the same second whichever.
fn after(last: Option<&Event>, event: EventBuilder, now: UnixTime) -> EventBuilder {
    let earliest = last.map_or(0, |last| last.created_at.as_secs().saturating_add(1));
    event.custom_created_at(Timestamp::from_secs(now.get().max(earliest)))
}

fn values<'a>(event: &'a Event, name: &'a str) -> impl Iterator<Item = &'a str> {
    event.tags.iter().filter_map(move |tag| match tag.as_slice() {
        [first, value, ..] if first == name => Some(value.as_str()),
        _ => None,
    })
}

fn tag<I>(name: &'static str, values: I) -> Tag
where
    I: IntoIterator<Item: Into<String>>,
{
    Tag::custom(TagKind::Custom(Cow::Borrowed(name)), values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nostr_sdk::Keys;

    const NOW: UnixTime = UnixTime::new(1000);

    fn node() -> NodeAnnouncement {
        NodeAnnouncement {
            name: "n".into(),
            about: "a".into(),
            kinds: vec![5050, 5932],
            models: vec!["m".into()],
            free: false,
        }
    }

    fn said(
        keys: &Keys,
        subject: Subject,
        node: &NodeAnnouncement,
        last: Option<&Event>,
    ) -> Option<Event> {
        due(subject, node, &["wss://r/".into()], last, NOW)
            .map(|event| event.sign_with_keys(keys).unwrap())
    }

    /// Goal: what holds is not said again, but for an announcement of yesterday; what has changed is said later than what it replaces. Method: each
    /// subject once, again, and with a change, all in one second; then a day later.
    #[test]
    fn said_once_and_again_when_it_changes() {
        let keys = Keys::generate();
        let changed = NodeAnnouncement {
            name: "other".into(),
            models: vec!["m".into(), "n".into()],
            ..node()
        };
        for subject in Subject::ALL {
            let first = said(&keys, subject, &node(), None).unwrap();
            assert!(subject.is_of(&first));
            assert_eq!(said(&keys, subject, &node(), Some(&first)), None, "{subject:?}");
            let second = match subject {
                Subject::Relays => due(subject, &node(), &["wss://q/".into()], Some(&first), NOW)
                    .map(|event| event.sign_with_keys(&keys).unwrap()),
                _ => said(&keys, subject, &changed, Some(&first)),
            };
            assert_eq!(second.unwrap().created_at.as_secs(), NOW.get() + 1, "{subject:?}");
            let tomorrow = NOW.plus(FRESH_SECONDS);
            let again =
                due(subject, &node(), &["wss://r/".into()], Some(&first), tomorrow).is_some();
            assert_eq!(again, subject == Subject::Announcement, "{subject:?} on the next day");
        }
    }

    /// Goal: the announcement is found by kind, read back as it was said, and gone when nothing can be served. Method: read what was written.
    #[test]
    fn an_announcement_is_read_back() {
        let keys = Keys::generate();
        let event = said(&keys, Subject::Announcement, &node(), None).unwrap();
        let content: Value = serde_json::from_str(&event.content).unwrap();
        assert_eq!(content["amount"], "flexible");
        assert_eq!(event.tags.identifier(), Some("pylon"));
        let read = parse(&event).unwrap();
        assert_eq!(
            (read.kinds, read.models, read.name.as_str()),
            (vec![5050, 5932], vec!["m".to_owned()], "n")
        );
        let many = NodeAnnouncement { models: (0..100).map(|n| n.to_string()).collect(), ..node() };
        assert_eq!(
            parse(&said(&keys, Subject::Announcement, &many, None).unwrap()).unwrap().models.len(),
            MODELS_MAX
        );
        let nothing = NodeAnnouncement { kinds: Vec::new(), ..node() };
        assert_eq!(
            said(&keys, Subject::Announcement, &nothing, None),
            None,
            "nothing to say, nothing said"
        );
        let gone = said(&keys, Subject::Announcement, &nothing, Some(&event)).unwrap();
        assert_eq!((gone.content.as_str(), parse(&gone)), ("", None));
        assert_eq!(emptied(Some(&gone), NOW).map(drop), None);
        let deletion = deletion(&gone, Some(&event), NOW).sign_with_keys(&keys).unwrap();
        assert!(deletion.created_at >= gone.created_at, "or it would not cover it");
        let address = format!("31990:{}:pylon", keys.public_key().to_hex());
        assert!(values(&deletion, "a").eq([address.as_str()]));
        assert!(values(&deletion, "e").eq([gone.id.to_hex().as_str(), event.id.to_hex().as_str()]));
    }

    /// Goal: a profile that somebody keeps is not lost. Method: one with a picture and words of its own, then one that is no JSON.
    #[test]
    fn a_profile_keeps_what_is_not_ours() {
        let keys = Keys::generate();
        let of = |content: &str| {
            EventBuilder::new(Kind::Metadata, content).sign_with_keys(&keys).unwrap()
        };
        let read =
            |event: Option<Event>| serde_json::from_str::<Value>(&event.unwrap().content).unwrap();
        let theirs = of(r#"{"picture":"https://p/","about":"mine","name":"old"}"#);
        let silent = NodeAnnouncement { about: String::new(), ..node() };
        let merged = read(said(&keys, Subject::Profile, &silent, Some(&theirs)));
        assert_eq!(merged, json!({"picture": "https://p/", "about": "mine", "name": "n"}));
        assert_eq!(
            read(said(&keys, Subject::Profile, &silent, Some(&of("junk")))),
            json!({"name": "n"})
        );
        let nameless = NodeAnnouncement { name: String::new(), ..node() };
        assert_eq!(said(&keys, Subject::Profile, &nameless, Some(&theirs)), None, "left alone");
    }
}
