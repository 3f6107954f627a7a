//! The Go structs that amino reflects on, from the descriptors.

use std::collections::BTreeMap;

use prost_reflect::{MessageDescriptor, Value};
use sha2::{Digest, Sha256};

use crate::amino_json::{option, text_option};
use crate::pool;
use crate::schema::{self, Format, Kind, Schema};

/// Place of the transaction among the layouts.
pub(super) const STD_TX: usize = 0;
const STD_FEE: usize = 1;
const STD_SIGNATURE: usize = 2;
pub(super) const STD_TX_NAME: &str = "cosmos-sdk/StdTx";
pub(super) const MULTISIG: &str = "cosmos.crypto.multisig.LegacyAminoPubKey";

/// Public keys with an amino name, and the length of the single ones.
const KEYS: [(&str, Option<usize>); 3] = [
    ("cosmos.crypto.ed25519.PubKey", Some(32)),
    ("cosmos.crypto.secp256k1.PubKey", Some(33)),
    (MULTISIG, None),
];
const EVIDENCE: &str = "cosmos.evidence.v1beta1.Equivocation";

/// Interfaces of Go that fields have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interface {
    /// Every registered type.
    Msg,
    PubKey,
    Evidence,
}

impl Interface {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Msg => "types.Msg",
            Self::PubKey => "types.PubKey",
            Self::Evidence => "exported.Evidence",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Text,
    Bytes,
    Int,
    Dec,
    Time,
    Struct(usize),
    Interface(Interface),
    /// A pointer to an `Any` that holds such an interface.
    Any(Interface),
    /// Bytes of a public key of this length.
    Key(usize),
    /// `LegacyAminoPubKey`: a struct in binary, another one in JSON.
    Multisig(usize),
    /// Amino has no form for it: a oneof, a float, an unknown interface. No registered type has such a field.
    Unsupported,
}

pub(super) struct Field {
    pub(super) name: String,
    pub(super) ty: Type,
    pub(super) list: bool,
    /// Nothing differs from zero.
    pub(super) pointer: bool,
    pub(super) omit_empty: bool,
    /// `Coins` read `[]` where other lists read `null`.
    pub(super) coins: bool,
}

impl Field {
    /// Whether the elements stand one by one, each with the field's number.
    pub(super) fn unpacked(&self) -> bool {
        self.list && self.ty.wire() == 2
    }
}

impl Type {
    /// Amino's `Typ3` of one value.
    pub(super) fn wire(self) -> u8 {
        match self {
            Self::Bool | Self::Int32 | Self::Int64 | Self::Uint32 | Self::Uint64 => 0,
            _ => 2,
        }
    }
}

pub(super) struct Layout {
    /// As Go prints the type.
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
}

/// A registered type.
pub(super) struct Concrete {
    pub(super) name: String,
    pub(super) ty: Type,
    interface: Interface,
}

#[derive(Default)]
pub(super) struct Layouts {
    layouts: Vec<Layout>,
    by_message: BTreeMap<String, usize>,
    pub(super) concretes: Vec<Concrete>,
    by_name: BTreeMap<String, usize>,
    by_prefix: BTreeMap<[u8; 4], usize>,
}

impl Layouts {
    pub(super) fn new<'a>(messages: impl IntoIterator<Item = &'a str>) -> Self {
        let layouts = vec![
            Layout { name: "legacytx.StdTx".to_owned(), fields: Vec::new() },
            Layout {
                name: "legacytx.StdFee".to_owned(),
                fields: vec![
                    Field { coins: true, list: true, ..plain("amount", Type::Bool) },
                    plain("gas", Type::Uint64),
                    Field { omit_empty: true, ..plain("payer", Type::Text) },
                    Field { omit_empty: true, ..plain("granter", Type::Text) },
                ],
            },
            Layout {
                name: "legacytx.StdSignature".to_owned(),
                fields: vec![
                    plain("pub_key", Type::Interface(Interface::PubKey)),
                    plain("signature", Type::Bytes),
                ],
            },
        ];
        let mut all = Self { layouts, ..Self::default() };
        let coin = Type::Struct(all.message("cosmos.base.v1beta1.Coin"));
        if let Some(amount) = all.layouts.get_mut(STD_FEE).and_then(|fee| fee.fields.first_mut()) {
            amount.ty = coin;
        }
        if let Some(tx) = all.layouts.get_mut(STD_TX) {
            tx.fields = vec![
                Field { list: true, ..plain("msg", Type::Interface(Interface::Msg)) },
                plain("fee", Type::Struct(STD_FEE)),
                Field { list: true, ..plain("signatures", Type::Struct(STD_SIGNATURE)) },
                plain("memo", Type::Text),
                plain("timeout_height", Type::Uint64),
            ];
        }
        for (name, length) in KEYS {
            let ty = length.map_or_else(|| Type::Multisig(all.message(name)), Type::Key);
            all.register(name, ty, Interface::PubKey);
        }
        let evidence = Type::Struct(all.message(EVIDENCE));
        all.register(EVIDENCE, evidence, Interface::Evidence);
        for name in messages {
            let place = all.message(name);
            if all.is_supported(place) {
                all.register(name, Type::Struct(place), Interface::Msg);
            }
        }
        all
    }

    fn register(&mut self, message: &str, ty: Type, interface: Interface) {
        let descriptor = pool().get_message_by_name(message);
        let Some(name) = descriptor.and_then(|m| text_option(&m.options(), "amino.name")) else { return };
        let place = self.concretes.len();
        self.by_prefix.insert(prefix(&name).1, place);
        self.by_name.insert(name.clone(), place);
        self.concretes.push(Concrete { name, ty, interface });
    }

    fn is_supported(&self, place: usize) -> bool {
        self.layout(place).fields.iter().all(|field| match field.ty {
            Type::Unsupported => false,
            Type::Struct(inner) => inner == place || self.is_supported(inner),
            _ => true,
        })
    }

    pub(super) fn layout(&self, place: usize) -> &Layout {
        static EMPTY: Layout = Layout { name: String::new(), fields: Vec::new() };
        self.layouts.get(place).unwrap_or(&EMPTY) // places come from `message`
    }

    pub(super) fn concrete_layout(&self, concrete: usize) -> Option<&Layout> {
        match self.concretes.get(concrete)?.ty {
            Type::Struct(place) | Type::Multisig(place) => Some(self.layout(place)),
            _ => None,
        }
    }

    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(super) fn prefixed(&self, prefix: [u8; 4]) -> Option<usize> {
        self.by_prefix.get(&prefix).copied()
    }

    pub(super) fn implements(&self, concrete: usize, interface: Interface) -> bool {
        interface == Interface::Msg || self.concretes.get(concrete).is_some_and(|c| c.interface == interface)
    }

    /// The place of a message's layout, made on first use.
    fn message(&mut self, name: &str) -> usize {
        if let Some(place) = self.by_message.get(name) {
            return *place;
        }
        let place = self.layouts.len();
        self.by_message.insert(name.to_owned(), place);
        self.layouts.push(Layout { name: name.to_owned(), fields: Vec::new() });
        let (Some(message), Some(descriptor)) =
            (Schema::get().message_by_name(name), pool().get_message_by_name(name))
        else {
            return place;
        };
        let declared = message.declared.iter().filter_map(|index| message.fields.get(*index));
        let fields = declared.map(|field| self.field(&descriptor, field)).collect();
        if let Some(layout) = self.layouts.get_mut(place) {
            *layout = Layout { name: go_name(&descriptor), fields };
        }
        place
    }

    fn field(&mut self, message: &MessageDescriptor, field: &schema::Field) -> Field {
        let descriptor = message.get_field(field.number);
        let options = descriptor.as_ref().map(|d| d.options());
        let text = |name: &str| options.as_ref().and_then(|o| text_option(o, name));
        let own = message.full_name().starts_with("geodesic.");
        let ty = match text("cosmos_proto.accepts_interface").as_deref() {
            Some("cosmos.evidence.v1beta1.Evidence") => Type::Any(Interface::Evidence),
            Some("cosmos.crypto.PubKey") => Type::Any(Interface::PubKey),
            _ if message.full_name() == MULTISIG && field.name == "public_keys" => {
                Type::Any(Interface::PubKey)
            }
            _ => self.ty(field),
        };
        let scalar = !matches!(field.kind, Kind::Message(_)) && field.format == Format::Plain;
        // gogoproto's generator leaves `omitempty` out where a value stands in place of a pointer.
        let by_value = field.required && !(scalar && field.repeated);
        let set = |name: &str| options.as_ref().and_then(|o| option(o, name)) == Some(Value::Bool(true));
        let tag = text("gogoproto.jsontag");
        let name = tag.as_deref().and_then(|t| t.split(',').next()).filter(|n| !n.is_empty());
        Field {
            name: name.unwrap_or(&field.name).to_owned(),
            ty,
            list: field.repeated,
            pointer: field.optional || (!scalar && !field.required) || matches!(ty, Type::Any(_)),
            omit_empty: match tag.as_deref() {
                Some(tag) => tag.ends_with(",omitempty"),
                None if own => !set("amino.dont_omitempty"),
                None => !by_value,
            },
            coins: text("gogoproto.castrepeated").is_some_and(|t| t.ends_with("Coins")),
        }
    }

    fn ty(&mut self, field: &schema::Field) -> Type {
        if field.oneof.is_some() {
            return Type::Unsupported;
        }
        match (field.format, field.kind) {
            (Format::Dec, _) => Type::Dec,
            (Format::Int, _) => Type::Int,
            (_, Kind::Bool) => Type::Bool,
            (_, Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 | Kind::Enum(_)) => Type::Int32,
            (_, Kind::Int64 | Kind::Sint64 | Kind::Sfixed64) => Type::Int64,
            (_, Kind::Uint32 | Kind::Fixed32) => Type::Uint32,
            (_, Kind::Uint64 | Kind::Fixed64) => Type::Uint64,
            (_, Kind::String) => Type::Text,
            (_, Kind::Bytes) => Type::Bytes,
            (_, Kind::Message(index)) => match Schema::get().message(index).map_or("", |m| m.name.as_str()) {
                "google.protobuf.Duration" => Type::Int64,
                "google.protobuf.Timestamp" => Type::Time,
                "google.protobuf.Any" | "" => Type::Unsupported,
                name => Type::Struct(self.message(name)),
            },
            (_, Kind::Float | Kind::Double) => Type::Unsupported,
        }
    }
}

fn plain(name: &str, ty: Type) -> Field {
    Field { name: name.to_owned(), ty, list: false, pointer: false, omit_empty: false, coins: false }
}

/// As Go prints it: all packages of modules are called `types`, those of keys by their algorithm.
fn go_name(descriptor: &MessageDescriptor) -> String {
    let package = descriptor.package_name().strip_prefix("cosmos.crypto.").unwrap_or("types");
    format!("{package}.{}", descriptor.name())
}

/// Disambiguation and prefix bytes of a registered name.
pub(super) fn prefix(name: &str) -> ([u8; 3], [u8; 4]) {
    let hash = Sha256::digest(name.as_bytes());
    let rest = skip_zeros(&hash);
    let (disambiguation, rest) = rest.split_first_chunk().unwrap_or((&[0; 3], &[]));
    let prefix = skip_zeros(rest).first_chunk().unwrap_or(&[0; 4]);
    (*disambiguation, *prefix)
}

fn skip_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}
