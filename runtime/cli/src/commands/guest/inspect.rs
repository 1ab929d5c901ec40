//! `pylon guest inspect`: describes a component, from its sections and from its own description in
//! the sandbox.

use super::component;
use crate::args::guest::InspectArgs;
use crate::commands::block_on;
use crate::output::{SilentFailure, json, print};
use anyhow::{Context, Result, bail};
use pylon_core::Digest;
use pylon_core::ports::clock::Clock as _;
use pylon_core::text::sanitize_line;
use pylon_core::units::format_utc;
use pylon_node::clock::SystemClock;
use pylon_nostr::identity::npub_of;
use pylon_nostr::release::{self, Release};
use pylon_sandbox::{Capability, ComponentInterface, Inspection, InstallError};
use serde_json::{Value, json as value};
use std::fmt::Write as _;

/// The description of a component.
struct ComponentReport {
    file: String,
    digest: Digest,
    size: usize,
    interface: ComponentInterface,
    inspection: Result<Inspection, InstallError>,
    /// `None` without a release.
    release: Option<Result<Release, String>>,
}

/// Prints the description.
pub(super) fn run(args: &InspectArgs) -> Result<()> {
    let file = component::at(&args.file)?;
    let bytes = component::read(&file)?;
    let digest = Digest::of(&bytes);
    let interface = ComponentInterface::read(&bytes).with_context(|| file.display().to_string())?;
    let inspection = block_on(async { Ok(component::sandbox(None)?.inspect(&bytes).await) })?;
    let verify = |text: String| {
        release::verify(&text, digest, SystemClock.now()).map_err(|error| error.to_string())
    };
    let release = component::release(&file)?.map(verify);
    let report = ComponentReport {
        file: file.display().to_string(),
        digest,
        size: bytes.len(),
        interface,
        inspection,
        release,
    };
    if args.json {
        json(&report.to_json())?;
        return if report.inspection.is_ok() { Ok(()) } else { Err(SilentFailure.into()) };
    }
    print(&report.page())?;
    match &report.inspection {
        Ok(_) => Ok(()),
        Err(problem) => bail!("{}: {problem}", report.file),
    }
}

impl ComponentReport {
    fn to_json(&self) -> Value {
        let import = |import: &pylon_sandbox::Import| value!({"name": import.name, "types_only": import.types_only});
        let publisher = self.release.as_ref().and_then(|release| release.as_ref().ok());
        let mut fields = value!({
            "file": self.file, "digest": self.digest, "size": self.size,
            "imports": self.interface.imports.iter().map(import).collect::<Vec<_>>(),
            "exports": self.interface.exports,
            "publisher": publisher.map(|release| value!({
                "npub": npub_of(release.publisher), "hex": release.publisher,
                "signed_at": release.signed_at, "expires_at": release.expires_at,
            })),
            "release_problem": self.release.as_ref().and_then(|release| release.as_ref().err()),
            "problem": self.inspection.as_ref().err().map(ToString::to_string),
        });
        if let (Ok(guest), Some(map)) = (&self.inspection, fields.as_object_mut()) {
            let about = &guest.manifest;
            let setting = |it: &pylon_sandbox::Setting| value!({"name": it.name, "default": it.default, "help": it.help});
            let kinds = about.kinds.iter().map(|served| {
                let param = |(name, help, required): &(String, String, bool)| {
                    value!({
                        "name": name, "help": help, "required": required,
                        "public": served.public_params.contains(name),
                    })
                };
                value!({
                    "kind": served.kind, "summary": served.summary,
                    "params": served.params.iter().map(param).collect::<Vec<_>>(),
                })
            });
            map.insert("world".into(), guest.role.world().into());
            map.insert("name".into(), about.name.clone().into());
            map.insert("version".into(), about.version.clone().into());
            map.insert("summary".into(), about.summary.clone().into());
            map.insert(
                "slots".into(),
                guest.slots().iter().map(ToString::to_string).collect::<Vec<_>>().into(),
            );
            map.insert(
                "settings".into(),
                about.settings.iter().map(setting).collect::<Vec<_>>().into(),
            );
            map.insert("kinds".into(), kinds.collect::<Vec<_>>().into());
            map.insert(
                "requests".into(),
                about.requests.iter().map(capability).collect::<Vec<_>>().into(),
            );
            map.insert("limits".into(), limits(guest));
        }
        fields
    }

    fn page(&self) -> String {
        let mut page = Page(String::new());
        page.row("file", &self.file);
        page.row("sha256", &self.digest.to_hex());
        page.row("size", &format!("{} bytes", self.size));
        if let Ok(guest) = &self.inspection {
            let about = &guest.manifest;
            page.row("name", &format!("{} {}", about.name, about.version));
            page.row("summary", &about.summary);
            page.row("world", guest.role.world());
            page.row(
                "slots",
                &guest.slots().iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            );
        }
        page.row("publisher", &self.publisher());
        let callable = self
            .interface
            .imports
            .iter()
            .filter(|import| !import.types_only)
            .map(|import| import.name.as_str());
        page.list("imports", callable, "types only");
        page.list("exports", self.interface.exports.iter().map(String::as_str), "none");
        if let Ok(guest) = &self.inspection {
            page.guest(guest);
        }
        page.0
    }

    fn publisher(&self) -> String {
        match &self.release {
            None => "none: the component is not signed".into(),
            Some(Err(cause)) => format!("unknown: the release is not valid: {cause}"),
            Some(Ok(release)) => {
                let end = release
                    .expires_at
                    .map(|end| format!(", expires {}", format_utc(end)))
                    .unwrap_or_default();
                format!(
                    "{}, signed {}{end}",
                    npub_of(release.publisher),
                    format_utc(release.signed_at)
                )
            }
        }
    }
}

/// Rows with a name. Text of the component stays on its line.
struct Page(String);

impl Page {
    fn row(&mut self, name: &str, text: &str) {
        let _ = writeln!(self.0, "{name:<10} {}", sanitize_line(text));
    }

    fn list<'a>(&mut self, name: &str, rows: impl Iterator<Item = &'a str>, none: &str) {
        let rows: Vec<_> = rows.collect();
        for (index, row) in rows.iter().enumerate() {
            self.row(if index == 0 { name } else { "" }, row);
        }
        if rows.is_empty() {
            self.row(name, none);
        }
    }

    fn guest(&mut self, guest: &Inspection) {
        let about = &guest.manifest;
        let requests: Vec<_> = about.requests.iter().map(capability).collect();
        self.list("requests", requests.iter().map(String::as_str), "none");
        let settings: Vec<_> = about
            .settings
            .iter()
            .map(|it| format!("{} = {:?}  {}", it.name, it.default, it.help))
            .collect();
        self.list("settings", settings.iter().map(String::as_str), "none");
        for served in &about.kinds {
            self.row("kind", &format!("{}  {}", served.kind, served.summary));
            for (name, help, required) in &served.params {
                let public = if served.public_params.contains(name) { "public" } else { "private" };
                let required = if *required { ", required" } else { "" };
                self.row("", &format!("{name} ({public}{required})  {help}"));
            }
        }
        let limits = &guest.limits;
        let time = match guest.role {
            pylon_sandbox::Role::Handler => {
                format!("{} ms of CPU time, {} ms of wall time", limits.cpu_ms, limits.wall_ms)
            }
            _ => format!("{} units of fuel", limits.fuel),
        };
        let sizes =
            format!("memory {} bytes, output {} bytes", limits.memory_bytes, limits.output_bytes);
        self.row("limits", &format!("at most {time}, {sizes}"));
    }
}

/// The limits of a call; an absent limit is `null`.
fn limits(guest: &Inspection) -> Value {
    let mut limits = value!(guest.limits);
    for limit in limits.as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
        if *limit == value!(u64::MAX) {
            *limit = Value::Null;
        }
    }
    limits
}

fn capability(want: &Capability) -> String {
    match want {
        Capability::Inference => "inference".into(),
        Capability::Agent => "agent".into(),
        Capability::Progress => "progress".into(),
        Capability::Urls(hosts) => format!("urls {}", hosts.join(" ")),
        Capability::Events => "events".into(),
        Capability::Jobs => "jobs".into(),
    }
}
