//! The announcement of a node as pure functions: its profile (kind 0), its relays (NIP-65), its
//! service (NIP-89), and the deletion when it leaves (NIP-09).
//!
//! The service announcement always has the same `d`, so that a new one replaces the previous one,
//! and one `k` for each kind that can be served now. Its content is JSON in the form of a profile,
//! with further fields for buyers:
//!
//! ```json
//! {"name": "…", "about": "…", "amount": "free" or "flexible", "encryptionSupported": true,
//! "nip90Params": {"model": {"required": false, "values": ["…"]}}}
//! ```
//!
//! Clients of other providers read `amount`, `encryptionSupported` and `nip90Params`. "flexible"
//! means that the price is quoted for each job.
//!
//! While the node takes jobs it publishes a heartbeat (kind 11998) every five minutes, because
//! clients hide providers without one.
//!
//! A node that leaves replaces its announcement by an empty one and then deletes it by address and
//! by id. A relay that ignores NIP-09 is left with an announcement that no search by kind finds.

use super::nip90::DELETION_KIND;
use nostr_sdk::{Event, EventBuilder, Filter, Kind, PublicKey, Tag, TagKind, Timestamp};
use pylon_core::UnixTime;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The `d` of our announcements.
pub const IDENTIFIER: &str = "pylon";
/// The kind of the heartbeat, which shows that the node takes jobs now.
pub const HEARTBEAT_KIND: u16 = 11_998;
/// Clients hide a provider whose last heartbeat is older than three times this.
pub const HEARTBEAT_SECONDS: u64 = 300;
/// An older announcement is published again: searches skip providers whose announcement is old.
const FRESH_SECONDS: u64 = 24 * 3600;
/// Models in the announcement; a buyer may request others.
const MODELS_MAX: usize = 64;

/// The content of an announcement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeAnnouncement {
    /// Shown to people. If it is empty, the profile is not changed.
    pub name: String,
    /// Shown to people. If it is empty, the text of the existing profile is kept.
    pub about: String,
    /// The request kinds that can be served now, in order.
    pub kinds: Vec<u16>,
    /// The models that can be requested now.
    pub models: Vec<String>,
    /// No price is charged.
    pub free: bool,
}

/// The subjects, each a replaceable event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnnouncementKind {
    /// The profile.
    Profile,
    /// The list of relays.
    Relays,
    /// The service.
    Announcement,
}

impl AnnouncementKind {
    /// All subjects in the order in which they are published.
    pub const ALL: [Self; 3] = [Self::Profile, Self::Relays, Self::Announcement];

    /// The kind of its event.
    pub const fn kind(self) -> u16 {
        match self {
            Self::Profile => 0,
            Self::Relays => 10002,
            Self::Announcement => 31990,
        }
    }

    /// Is this the event of the subject that a new one would replace?
    pub fn is_of(self, event: &Event) -> bool {
        event.kind.as_u16() == self.kind()
            && (self != Self::Announcement || event.tags.identifier() == Some(IDENTIFIER))
    }
}

/// All events of this key about these subjects.
pub fn filter(us: PublicKey) -> Filter {
    Filter::new()
        .author(us)
        .kinds(AnnouncementKind::ALL.map(|subject| Kind::from_u16(subject.kind())))
}

/// The event to publish after `last`. `None` if `last` is still right, or if there is nothing to
/// publish.
pub fn due(
    subject: AnnouncementKind,
    node: &NodeAnnouncement,
    relays: &[String],
    last: Option<&Event>,
    now: UnixTime,
) -> Option<EventBuilder> {
    let (content, tags) = match subject {
        AnnouncementKind::Profile => (profile(node, last)?, Vec::new()),
        AnnouncementKind::Relays => (String::new(), relay_list(relays, last)?),
        AnnouncementKind::Announcement => announcement(node, last, now)?,
    };
    Some(after(last, EventBuilder::new(Kind::from_u16(subject.kind()), content).tags(tags), now))
}

/// The event that replaces the announcement when the node leaves. `None` if there is none or it is
/// empty already.
pub fn emptied(last: Option<&Event>, now: UnixTime) -> Option<EventBuilder> {
    due(AnnouncementKind::Announcement, &NodeAnnouncement::default(), &[], last, now)
}

/// The heartbeat of a node that has this announcement. It names the announcement and expires when
/// the next one is due.
pub fn heartbeat(now: UnixTime) -> EventBuilder {
    let tags = [
        tag("d", [IDENTIFIER]),
        tag("expiration", [now.plus(HEARTBEAT_SECONDS).get().to_string()]),
    ];
    EventBuilder::new(Kind::from_u16(HEARTBEAT_KIND), "")
        .tags(tags)
        .custom_created_at(Timestamp::from_secs(now.get()))
}

/// The deletion of these events: announcements, the latest first, and the last heartbeat.
pub fn deletion(
    last: &Event,
    earlier: Option<&Event>,
    heartbeat: Option<&Event>,
    now: UnixTime,
) -> EventBuilder {
    let address =
        format!("{}:{}:{IDENTIFIER}", AnnouncementKind::Announcement.kind(), last.pubkey.to_hex());
    let events = || [Some(last), earlier, heartbeat].into_iter().flatten();
    let kinds: BTreeSet<u16> = events().map(|event| event.kind.as_u16()).collect();
    let tags = std::iter::once(tag("a", [address]))
        .chain(kinds.into_iter().map(|kind| tag("k", [kind.to_string()])))
        .chain(events().map(|event| tag("e", [event.id.to_hex()])));
    let at = UnixTime::new(last.created_at.as_secs()).max(now);
    EventBuilder::new(Kind::from_u16(DELETION_KIND), "")
        .tags(tags)
        .custom_created_at(Timestamp::from_secs(at.get()))
}

/// An announcement as a buyer reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The request kinds.
    pub kinds: Vec<u16>,
    /// Shown to people.
    pub name: String,
    /// The models.
    pub models: Vec<String>,
    /// When it was published.
    pub created_at: UnixTime,
}

/// Parses an announcement. `None` if it is invalid or empty.
pub fn parse(event: &Event) -> Option<Announced> {
    if !AnnouncementKind::Announcement.is_of(event) {
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

/// The existing profile with our name and text; other fields, such as a picture, are kept.
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

/// Of two replaceable events the later one is valid, so the new one must be later.
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

    fn due_event(
        keys: &Keys,
        subject: AnnouncementKind,
        node: &NodeAnnouncement,
        last: Option<&Event>,
    ) -> Option<Event> {
        due(subject, node, &["wss://r/".into()], last, NOW)
            .map(|event| event.sign_with_keys(keys).unwrap())
    }

    /// Goal: an unchanged event is not published again, except for an announcement of yesterday; a
    /// changed event is later than the previous one. Method: each subject once, again, and with a
    /// change, all in one second; then a day later.
    #[test]
    fn events_are_published_when_they_change() {
        let keys = Keys::generate();
        let changed = NodeAnnouncement {
            name: "other".into(),
            models: vec!["m".into(), "n".into()],
            ..node()
        };
        for subject in AnnouncementKind::ALL {
            let first = due_event(&keys, subject, &node(), None).unwrap();
            assert!(subject.is_of(&first));
            assert_eq!(due_event(&keys, subject, &node(), Some(&first)), None, "{subject:?}");
            let second = match subject {
                AnnouncementKind::Relays => {
                    due(subject, &node(), &["wss://q/".into()], Some(&first), NOW)
                        .map(|event| event.sign_with_keys(&keys).unwrap())
                }
                _ => due_event(&keys, subject, &changed, Some(&first)),
            };
            assert_eq!(second.unwrap().created_at.as_secs(), NOW.get() + 1, "{subject:?}");
            let tomorrow = NOW.plus(FRESH_SECONDS);
            let again =
                due(subject, &node(), &["wss://r/".into()], Some(&first), tomorrow).is_some();
            assert_eq!(
                again,
                subject == AnnouncementKind::Announcement,
                "{subject:?} on the next day"
            );
        }
    }

    /// Goal: the announcement is found by kind, parsed as written, and deleted when nothing can be
    /// served. Method: parse what was written.
    #[test]
    fn an_announcement_is_parsed_as_written() {
        let keys = Keys::generate();
        let event = due_event(&keys, AnnouncementKind::Announcement, &node(), None).unwrap();
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
            parse(&due_event(&keys, AnnouncementKind::Announcement, &many, None).unwrap())
                .unwrap()
                .models
                .len(),
            MODELS_MAX
        );
        let nothing = NodeAnnouncement { kinds: Vec::new(), ..node() };
        assert_eq!(
            due_event(&keys, AnnouncementKind::Announcement, &nothing, None),
            None,
            "nothing to publish"
        );
        let gone =
            due_event(&keys, AnnouncementKind::Announcement, &nothing, Some(&event)).unwrap();
        assert_eq!((gone.content.as_str(), parse(&gone)), ("", None));
        assert_eq!(emptied(Some(&gone), NOW).map(drop), None);
        let beat = heartbeat(NOW).sign_with_keys(&keys).unwrap();
        let deletion =
            deletion(&gone, Some(&event), Some(&beat), NOW).sign_with_keys(&keys).unwrap();
        assert!(deletion.created_at >= gone.created_at, "an earlier deletion would not cover it");
        let address = format!("31990:{}:pylon", keys.public_key().to_hex());
        assert!(values(&deletion, "a").eq([address.as_str()]));
        let ids = [&gone, &event, &beat].map(|event| event.id.to_hex());
        assert!(values(&deletion, "e").eq(ids.iter().map(String::as_str)));
        assert!(values(&deletion, "k").eq(["11998", "31990"]));
    }

    /// A heartbeat has the form that clients expect.
    #[test]
    fn heartbeat_expires_when_the_next_is_due() {
        let beat = heartbeat(NOW).sign_with_keys(&Keys::generate()).unwrap();
        assert_eq!((beat.kind.as_u16(), beat.created_at.as_secs()), (11_998, NOW.get()));
        assert_eq!((beat.content.as_str(), beat.tags.identifier()), ("", Some("pylon")));
        assert!(values(&beat, "expiration").eq([(NOW.get() + 300).to_string().as_str()]));
    }

    /// Goal: a profile that the operator maintains is not lost. Method: one with a picture and its
    /// own text, then one that is not JSON.
    #[test]
    fn other_fields_of_a_profile_are_kept() {
        let keys = Keys::generate();
        let of = |content: &str| {
            EventBuilder::new(Kind::Metadata, content).sign_with_keys(&keys).unwrap()
        };
        let read =
            |event: Option<Event>| serde_json::from_str::<Value>(&event.unwrap().content).unwrap();
        let theirs = of(r#"{"picture":"https://p/","about":"mine","name":"old"}"#);
        let silent = NodeAnnouncement { about: String::new(), ..node() };
        let merged = read(due_event(&keys, AnnouncementKind::Profile, &silent, Some(&theirs)));
        assert_eq!(merged, json!({"picture": "https://p/", "about": "mine", "name": "n"}));
        assert_eq!(
            read(due_event(&keys, AnnouncementKind::Profile, &silent, Some(&of("junk")))),
            json!({"name": "n"})
        );
        let nameless = NodeAnnouncement { name: String::new(), ..node() };
        assert_eq!(
            due_event(&keys, AnnouncementKind::Profile, &nameless, Some(&theirs)),
            None,
            "not changed"
        );
    }
}
