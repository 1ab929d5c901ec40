//! Answers of servers that differ from the API.

use super::*;

/// Goal: text and end of an answer must be there, and nothing else has to be. Method: odd answers
/// of servers, with text, tokens in and out and `length`; without tokens they are estimated.
#[tokio::test]
async fn odd_answers_are_read() {
    fn chunk(choices: &str, rest: &str) -> String {
        format!("data: {{\"choices\":{choices}{rest}}}")
    }
    let said = |text: &str, reason: &str| {
        let reason = format!("\"finish_reason\":{reason}");
        chunk(&format!("[{{\"delta\":{{\"content\":\"{text}\"}},{reason}}}]"), "")
    };
    let ended = |rest: &str| chunk(r#"[{"index":0,"delta":{},"finish_reason":"stop"}]"#, rest);
    let usage = r#","usage":{"prompt_tokens":5,"completion_tokens":3}"#;
    let plain = || vec![said("Fine.", "null"), ended(usage), DONE.to_owned()];
    let (one, two) = (said("Fi", "\"\""), said("ne.", "\"\""));
    let with = |rest: &str| vec![said("Fine.", "null"), ended(rest), DONE.to_owned()];
    let counted = Some((5, 3));
    let mut cases = vec![
        (plain(), counted, false),
        ([vec!["data:".into(), "data: ".into()], plain()].concat(), counted, false),
        (vec![one, two, ended(usage), DONE.into()], counted, false),
        (vec![said("Fine.", "null"), chunk("null", usage), DONE.into()], counted, false),
        (vec![said("Fine.", "\"eos_token\""), DONE.into()], None, false),
        (vec![said("Fine.", "\"MAX_TOKENS\""), DONE.into()], None, true),
        (vec![said("Fine.", "7"), ended(usage), "data:  [DONE] ".into()], counted, false),
        (vec![said("Fine.", "null"), DONE.into()], None, false),
        (
            vec![
                chunk(r#"[{"index":1,"delta":{"content":"Other."}}]"#, ""),
                said("Fine.", "null"),
                chunk(r#"[{"index":1,"delta":{},"finish_reason":"length"}]"#, ""),
                ended(usage),
            ],
            counted,
            false,
        ),
        (
            vec![
                chunk(
                    r#"[{"index":1,"delta":{"content":"Other."}},{"index":0,"delta":{"content":"Fine."}}]"#,
                    "",
                ),
                ended(usage),
            ],
            counted,
            false,
        ),
        (
            vec![
                chunk(r#"[{"index":"0","delta":null}]"#, r#","model":7,"id":null"#),
                said("Fine.", "null"),
                ended(usage),
            ],
            counted,
            false,
        ),
    ];
    for odd in [
        r#","usage":{}"#,
        r#","usage":null"#,
        r#","usage":[1]"#,
        r#","usage":{"prompt_tokens":null,"completion_tokens":null,"total_tokens":null}"#,
        r#","usage":{"prompt_tokens":5}"#,
        r#","usage":{"prompt_tokens":"5","completion_tokens":"3"}"#,
        r#","usage":{"prompt_tokens":-5,"completion_tokens":3}"#,
        r#","usage":{"prompt_tokens":0,"completion_tokens":0}"#,
        r#","usage":{"completion_tokens_details":{"reasoning_tokens":0}}"#,
        r#","timings":{"prompt_ms":1.5}"#,
        r#","timings":"fast","error":null,"message":null"#,
        r#","error":false,"message":"not an error""#,
    ] {
        cases.push((with(odd), None, false));
    }
    cases.push((with(&format!(r#"{usage},"timings":[]"#)), counted, false));
    cases.push((
        with(r#","usage":{},"timings":{"prompt_n":4,"cache_n":1,"predicted_n":3}"#),
        counted,
        false,
    ));
    for (answer, counted, length) in cases {
        for begin in ["", "\u{feff}"] {
            let bytes = [begin.as_bytes().to_vec(), events(&answer)].concat();
            let pieces = vec![bytes[..1].to_vec(), bytes[1..].to_vec()];
            let (text, end) = read(&replay(pieces).await, &request())
                .await
                .unwrap_or_else(|error| panic!("{error}: {answer:?}"));
            let usage = end.usage;
            assert_eq!((text.as_str(), end.length), ("Fine.", length), "{answer:?}");
            assert_eq!(usage.estimated, counted.is_none(), "{answer:?}");
            let expected = counted.unwrap_or((8, 2));
            assert_eq!((usage.input_tokens, usage.output_tokens), expected, "{answer:?}");
        }
    }
}

/// Goal: tokens that a model spends on thoughts alone are named. Method: each name of thoughts,
/// with and without a count.
#[tokio::test]
async fn reasoning_alone_is_an_error() {
    let length = r#"data: {"choices":[{"delta":{},"finish_reason":"length"}]}"#;
    let counted = r#"data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":12}}"#;
    for name in ["reasoning_content", "reasoning", "thinking"] {
        let thought =
            format!(r#"data: {{"choices":[{{"delta":{{"{name}":"hm","content":""}}}}]}}"#);
        for (end, tokens) in
            [(vec![length, counted, DONE], 12), (vec![length], 16), (vec![DONE], 16)]
        {
            let answer = events(&[&[thought.as_str()][..], &end].concat());
            let error = error_of(&replay(vec![answer]).await).await;
            assert_eq!(error, InferenceError::OnlyReasoning(tokens), "{name}: {end:?}");
        }
        let both = events(&[&thought, &token("Fine."), STOP]);
        assert_eq!(read(&replay(vec![both]).await, &request()).await.unwrap().0, "Fine.");
    }
}
