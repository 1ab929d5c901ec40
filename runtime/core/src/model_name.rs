//! The public name of a model. Some servers list a model by the path of its file, which would tell
//! every customer about the operator's folders.

/// Files of models, which may be named by a relative path.
const FILE_ENDINGS: [&str; 6] = [".gguf", ".ggml", ".bin", ".safetensors", ".onnx", ".pt"];

/// The name of a model that a server lists as `id`: of a path, the name of the file or folder, else
/// the same. `None` if it has no name.
pub fn public_name(id: &str) -> Option<&str> {
    let id = id.trim();
    let name = if is_path(id) {
        let path = id.trim_end_matches(is_separator);
        path.rsplit(is_separator).next().unwrap_or_default()
    } else {
        id
    };
    // What is left of `C:\`, `file://`, `~` or `..`.
    let is_name = !name.is_empty() && !matches!(name, "." | ".." | "~") && !name.ends_with(':');
    is_name.then_some(name)
}

/// Many ids have a slash, such as `organisation/model`, and are no path.
fn is_path(id: &str) -> bool {
    let lower = id.to_ascii_lowercase();
    let has_drive = matches!(lower.as_bytes(), [b'a'..=b'z', b':', b'/' | b'\\', ..]);
    let is_file = || FILE_ENDINGS.iter().any(|ending| lower.ends_with(ending));
    id.starts_with(['/', '~', '.'])
        || has_drive
        || id.contains('\\')
        || id.contains("/../")
        || lower.starts_with("file:")
        || (id.contains('/') && is_file())
}

const fn is_separator(c: char) -> bool {
    matches!(c, '/' | '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: no folder of the operator is part of a name, and other ids stay. Method: each form.
    #[test]
    fn paths_become_names() {
        for (id, name) in [
            ("/home/me/models/Tiny-1B-Q4_K_M.gguf", Some("Tiny-1B-Q4_K_M.gguf")),
            ("/home/me/models/Tiny-1B/", Some("Tiny-1B")),
            ("models/tiny.GGUF", Some("tiny.GGUF")),
            ("./models/tiny", Some("tiny")),
            ("../tiny", Some("tiny")),
            ("~/models/tiny", Some("tiny")),
            (r"C:\Users\me\models\tiny.gguf", Some("tiny.gguf")),
            ("d:/models/tiny.gguf", Some("tiny.gguf")),
            (r"\\server\share\tiny.gguf", Some("tiny.gguf")),
            (r"models\tiny.gguf", Some("tiny.gguf")),
            ("file:///home/me/tiny.gguf", Some("tiny.gguf")),
            ("tiny.gguf", Some("tiny.gguf")),
            ("tiny", Some("tiny")),
            ("organisation/model", Some("organisation/model")),
            ("hf.co/organisation/model:Q4_K_M", Some("hf.co/organisation/model:Q4_K_M")),
            ("organisation/model-v1.5", Some("organisation/model-v1.5")),
            (" ", None),
            ("/", None),
            (r"C:\", None),
            ("file:///", None),
            ("~", None),
            ("/home/..", None),
        ] {
            assert_eq!(public_name(id), name, "{id}");
        }
    }
}
