//! Enums whose cases have one fixed name in the journal, in JSON and on the command line.

/// The name is not one of the enum's cases.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown name `{0}`")]
pub struct UnknownName(pub String);

/// Defines enums with `ALL`, `as_str`, `Display`, `FromStr` and serde under the same names.
macro_rules! named_enum {
    ($(
        $(#[$meta:meta])*
        $name:ident { $($(#[$case_meta:meta])* $case:ident = $word:literal,)* }
    )*) => {$(
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize,
        )]
        pub enum $name { $($(#[$case_meta])* #[serde(rename = $word)] $case,)* }

        impl $name {
            /// Every case.
            pub const ALL: &[Self] = &[$(Self::$case),*];

            /// The name in the journal and in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$case => $word),* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::names::UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                match name {
                    $($word => Ok(Self::$case),)*
                    _ => Err($crate::names::UnknownName(name.into())),
                }
            }
        }
    )*};
}
pub(crate) use named_enum;
