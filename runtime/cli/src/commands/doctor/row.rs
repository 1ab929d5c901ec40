//! The result of one check.

use serde::Serialize;

/// A row of the report.
#[derive(Debug, Serialize)]
pub(super) struct CheckRow {
    pub(super) check: &'static str,
    pub(super) state: CheckState,
    pub(super) detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CheckState {
    Ok,
    Warning,
    Broken,
}

impl CheckRow {
    pub(super) fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, state: CheckState::Ok, detail: detail.into(), hint: None }
    }

    pub(super) fn warning(
        check: &'static str,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { state: CheckState::Warning, hint: Some(hint.into()), ..Self::ok(check, detail) }
    }

    pub(super) fn broken(
        check: &'static str,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { state: CheckState::Broken, hint: Some(hint.into()), ..Self::ok(check, detail) }
    }
}
