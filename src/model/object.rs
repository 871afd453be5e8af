//! One declaration for each object of the record format: from it come the type, its reader (borrowing, one
//! pass, repeated keys refused) and its [`Shape`](super::shape::Shape).

/// Declares an object of the record format.
///
/// `depth` is the nesting level its fields stand at in a record. Field modes: `req` must be there, `opt` may
/// be absent or `null` (not known), `list` is empty when absent, `def` takes the type's default when absent.
macro_rules! object {
    ($(#[$meta:meta])* $name:ident, depth $depth:literal { $($(#[$fmeta:meta])* $mode:ident $field:ident : $ty:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name<'a> {
            $($(#[$fmeta])* pub $field: object!(@type $mode $ty),)*
        }

        impl<'a> $crate::model::shape::Shaped for $name<'a> {
            const SHAPE: $crate::model::shape::Shape = $crate::model::shape::Shape::Object(&[
                $($crate::model::shape::Field {
                    name: stringify!($field),
                    required: object!(@required $mode),
                    shape: object!(@shape $mode $ty),
                },)*
            ]);
        }

        impl<'de: 'a, 'a> serde::Deserialize<'de> for $name<'a> {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Fields<'a>(std::marker::PhantomData<&'a ()>);
                impl<'de: 'a, 'a> serde::de::Visitor<'de> for Fields<'a> {
                    type Value = $name<'a>;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name<'a>, A::Error> {
                        $(let mut $field: Option<object!(@read $mode $ty)> = None;)*
                        let mut unknown = $crate::model::strict::Keys::default();
                        while let Some(key) = map.next_key::<$crate::model::Text<'de>>()? {
                            match &*key {
                                $(stringify!($field) => {
                                    if $field.is_some() {
                                        return Err(serde::de::Error::duplicate_field(stringify!($field)));
                                    }
                                    $field = Some(map.next_value()?);
                                })*
                                _ => {
                                    unknown.claim::<A::Error>(key)?;
                                    map.next_value_seed($crate::model::strict::Strict($depth))?;
                                }
                            }
                        }
                        Ok($name { $($field: object!(@take $mode $field),)* })
                    }
                }
                d.deserialize_map(Fields(std::marker::PhantomData))
            }
        }

        impl<'a> $crate::model::quick::Quick<'a> for $name<'a> {
            fn quick(c: &mut $crate::model::quick::Cursor<'a>) -> Option<Self> {
                use $crate::model::quick::{Quick, tag};
                $(let mut $field: Option<object!(@read $mode $ty)> = None;)*
                let mut unknown = $crate::model::strict::Keys::default();
                let mut more = c.open()?;
                while more {
                    let key = c.key()?;
                    let known = tag(key.as_bytes());
                    $(if known == const { tag(stringify!($field).as_bytes()) } && key == stringify!($field) {
                        if $field.is_some() {
                            return None;
                        }
                        $field = Some(Quick::quick(c)?);
                    } else)* {
                        c.unknown(key, &mut unknown)?;
                    }
                    more = c.more()?;
                }
                Some($name { $($field: object!(@quick $mode $field),)* })
            }
        }
    };
    (@quick req $field:ident) => { $field.flatten()? };
    (@quick opt $field:ident) => { $field.flatten() };
    (@quick $mode:ident $field:ident) => { $field.flatten().unwrap_or_default() };
    (@type req $ty:ty) => { $ty };
    (@type opt $ty:ty) => { Option<$ty> };
    (@type list $ty:ty) => { Vec<$ty> };
    (@type def $ty:ty) => { $ty };
    (@read list $ty:ty) => { Option<Vec<$ty>> };
    (@read $mode:ident $ty:ty) => { Option<$ty> };
    (@required req) => { true };
    (@required $mode:ident) => { false };
    (@shape list $ty:ty) => { <Vec<$ty> as $crate::model::shape::Shaped>::SHAPE };
    (@shape $mode:ident $ty:ty) => { <$ty as $crate::model::shape::Shaped>::SHAPE };
    (@take req $field:ident) => {
        $field.flatten().ok_or_else(|| <A::Error as serde::de::Error>::missing_field(stringify!($field)))?
    };
    (@take opt $field:ident) => { $field.flatten() };
    (@take $mode:ident $field:ident) => { $field.flatten().unwrap_or_default() };
}

/// Declares a closed set of words as an enum that reads and prints them.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub enum $name {
            $($(#[$vmeta])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// The word as it stands in records and findings.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The one with this word.
            #[must_use]
            pub fn of(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl<'a> $crate::model::quick::Quick<'a> for $name {
            fn quick(c: &mut $crate::model::quick::Cursor<'a>) -> Option<Self> {
                Self::of(&$crate::model::Text::quick(c)?)
            }
        }

        impl $crate::model::shape::Shaped for $name {
            const SHAPE: $crate::model::shape::Shape = $crate::model::shape::Shape::OneOf(&[$($word,)*]);
        }
    };
}

pub(crate) use {object, words};
