//! The check of an address that the operator configured.

use url::Url;

/// An error if this is not an absolute address with one of these schemes, or has credentials.
pub fn check(text: &str, schemes: &[&str]) -> Result<(), String> {
    let expected = || {
        let schemes: Vec<_> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
        format!("`{text}` is not a {} address", schemes.join(" or "))
    };
    let url = Url::parse(text).map_err(|_| expected())?;
    if !schemes.contains(&url.scheme()) || !url.has_host() {
        return Err(expected());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!(
            "the address of `{}` contains a user or password: remove them",
            url.host_str().unwrap_or_default()
        ));
    }
    Ok(())
}
