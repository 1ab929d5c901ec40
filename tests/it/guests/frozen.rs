//! Guests built with each released version of the contract. They must load and run as long as that
//! version is served.
//!
//! Each version has a folder in `tests/frozen`. Its files are components that `pylon guest build`
//! made with the SDK of that version, as text of `wasmprinter`; they are never changed. The handler
//! was built without std, which would be ten times as long.

use crate::guests::cases_of;
use std::path::Path;

const CASES: [(&str, &str); 2] = [
    (
        "pricing",
        "[[case]]\nname = 'quote'\nfunction = 'quote'\njob = { bid_msat = 7, params.a = ['b', 'c'] }\ncontext.market = { offers = 1, low_msat = 1, median_msat = 1, high_msat = 1 }\nexpect = { terms = 'free', price_msat = 0, max_output_tokens = 256, valid_seconds = 600 }\n\
         [[case]]\nname = 'settle'\nfunction = 'settle'\nusage.output_tokens = 9\nexpect.due_msat = 0\n",
    ),
    (
        "handler",
        "[[case]]\nname = 'run'\nfunction = 'run'\njob.inputs = ['ask this']\nanswers = ['it is so']\nexpect = { content = 'it is so', prompt = 'ask this' }\n\
         [[case]]\nname = 'none'\nfunction = 'run'\njob.inputs = ['ask this']\nanswers = [{ error = 'no_backend' }]\nexpect.error = 'no_backend'\n",
    ),
];

/// Goal: guests of every served contract version keep working. Method: assemble, load, describe,
/// run.
#[tokio::test]
async fn every_released_contract_is_served() {
    let mut versions = 0;
    for version in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("frozen")).unwrap()
    {
        let folder = version.unwrap().path();
        for (name, cases) in CASES {
            let component = wat::parse_file(folder.join(format!("{name}.wat"))).unwrap();
            for case in cases_of(&component, cases).await {
                assert!(
                    case.unmet.is_empty(),
                    "{}: {name}: {}: {}",
                    folder.display(),
                    case.name,
                    case.unmet.join("; ")
                );
            }
        }
        versions += 1;
    }
    assert!(versions >= 1);
}
