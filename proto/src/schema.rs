//! The pool flattened into tables, once: what the walker and the JSON dialect ask for each field.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use prost_reflect::{
    DynamicMessage, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, MessageDescriptor, Value,
};

use crate::pool::pool;

/// Every message and enum of the pool.
#[derive(Default)]
pub(crate) struct Schema {
    messages: Vec<Message>,
    enums: Vec<Enum>,
    names: BTreeMap<String, usize>,
}

pub(crate) struct Message {
    pub(crate) name: String,
    /// Ascending by number.
    pub(crate) fields: Vec<Field>,
    /// Indices into `fields` in the order of the `.proto` file, which is that of the SDK's JSON.
    pub(crate) declared: Vec<usize>,
    /// JSON names, as written in the `.proto` file and in camel case, to indices into `fields`.
    pub(crate) by_json: BTreeMap<String, usize>,
    pub(crate) well_known: Option<WellKnown>,
}

pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) repeated: bool,
    pub(crate) packed: bool,
    /// `gogoproto.nullable = false`: the SDK's structs hold a value even if the wire does not.
    pub(crate) required: bool,
    /// Declared `optional`: absent differs from zero.
    pub(crate) optional: bool,
    pub(crate) oneof: Option<usize>,
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Float,
    Double,
    String,
    Bytes,
    Enum(usize),
    Message(usize),
}

/// What the SDK's Go type of a field makes of its JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Plain,
    /// `math.LegacyDec`: an integer of 18 decimals on the wire.
    Dec,
    /// `math.Int`: decimal digits.
    Int,
    /// `json.RawMessage`: the bytes are JSON.
    RawJson,
    /// `HexBytes`: upper case hexadecimal.
    Hex,
    /// `time.Time`, whose zero is the first second of the year 1.
    Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WellKnown {
    Any,
    Duration,
    Timestamp,
}

#[derive(Default)]
pub(crate) struct Enum {
    by_number: BTreeMap<i32, String>,
    by_name: BTreeMap<String, i32>,
}

impl Schema {
    /// The tables of [`pool`], built on first use.
    pub(crate) fn get() -> &'static Self {
        static SCHEMA: OnceLock<Schema> = OnceLock::new();
        SCHEMA.get_or_init(build)
    }

    pub(crate) fn message(&self, index: usize) -> Option<&Message> {
        self.messages.get(index)
    }

    pub(crate) fn message_by_name(&self, name: &str) -> Option<&Message> {
        self.names.get(name).and_then(|&index| self.messages.get(index))
    }

    /// The message that `/full.name` stands for; the SDK registers exactly this form.
    pub(crate) fn message_by_url(&self, type_url: &str) -> Option<&Message> {
        type_url.strip_prefix('/').and_then(|name| self.message_by_name(name))
    }

    pub(crate) fn enum_name(&self, index: usize, number: i32) -> Option<&str> {
        self.enums.get(index)?.by_number.get(&number).map(String::as_str)
    }

    pub(crate) fn enum_number(&self, index: usize, name: &str) -> Option<i32> {
        self.enums.get(index)?.by_name.get(name).copied()
    }
}

impl Message {
    pub(crate) fn field(&self, number: u32) -> Option<&Field> {
        // Most messages number their fields 1, 2, 3, ...
        let guess = usize::try_from(number).ok().and_then(|n| self.fields.get(n.checked_sub(1)?));
        guess.filter(|field| field.number == number).or_else(|| {
            let found = self.fields.binary_search_by_key(&number, |field| field.number);
            found.ok().and_then(|index| self.fields.get(index))
        })
    }
}

struct Options {
    custom_type: Option<ExtensionDescriptor>,
    cast_type: Option<ExtensionDescriptor>,
    nullable: Option<ExtensionDescriptor>,
    std_time: Option<ExtensionDescriptor>,
    scalar: Option<ExtensionDescriptor>,
}

fn build() -> Schema {
    let pool = pool();
    let options = Options {
        custom_type: pool.get_extension_by_name("gogoproto.customtype"),
        cast_type: pool.get_extension_by_name("gogoproto.casttype"),
        nullable: pool.get_extension_by_name("gogoproto.nullable"),
        std_time: pool.get_extension_by_name("gogoproto.stdtime"),
        scalar: pool.get_extension_by_name("cosmos_proto.scalar"),
    };
    let names = pool.all_messages().enumerate().map(|(index, m)| (m.full_name().to_owned(), index)).collect();
    let enums = pool.all_enums().enumerate().map(|(index, e)| (e.full_name().to_owned(), index)).collect();
    Schema {
        messages: pool.all_messages().map(|m| message(&m, &names, &enums, &options)).collect(),
        enums: pool.all_enums().map(|e| enumeration(&e)).collect(),
        names,
    }
}

type Names = BTreeMap<String, usize>;

fn message(descriptor: &MessageDescriptor, names: &Names, enums: &Names, options: &Options) -> Message {
    let fields: Vec<Field> = descriptor.fields().map(|f| field(&f, names, enums, options)).collect();
    let position = |number: u32| fields.binary_search_by_key(&number, |field| field.number).ok();
    let in_file = || descriptor.descriptor_proto().field.iter();
    let declared = in_file().filter_map(|f| position(u32::try_from(f.number()).ok()?)).collect();
    let mut by_json = BTreeMap::new();
    for (index, field) in descriptor.fields().enumerate() {
        by_json.insert(field.json_name().to_owned(), index);
        by_json.insert(field.name().to_owned(), index);
    }
    let well_known = match descriptor.full_name() {
        "google.protobuf.Any" => Some(WellKnown::Any),
        "google.protobuf.Duration" => Some(WellKnown::Duration),
        "google.protobuf.Timestamp" => Some(WellKnown::Timestamp),
        _ => None,
    };
    Message { name: descriptor.full_name().to_owned(), fields, declared, by_json, well_known }
}

fn field(descriptor: &FieldDescriptor, names: &Names, enums: &Names, options: &Options) -> Field {
    let set = descriptor.options();
    let optional = descriptor.field_descriptor_proto().proto3_optional();
    let format = format(descriptor, &set, options);
    let by_value = extension(&set, options.nullable.as_ref()) == Some(Value::Bool(false));
    Field {
        number: descriptor.number(),
        name: descriptor.name().to_owned(),
        kind: kind(&descriptor.kind(), names, enums),
        repeated: descriptor.is_list(),
        packed: descriptor.is_packed(),
        required: by_value || (is_own(descriptor) && matches!(format, Format::Dec | Format::Int)),
        optional,
        // prost-reflect puts the made-up oneofs of `optional` fields last, so indices of real ones stay.
        oneof: descriptor
            .containing_oneof()
            .filter(|_| !optional)
            .and_then(|oneof| usize::try_from(*oneof.path().last()?).ok()),
        format,
    }
}

fn format(descriptor: &FieldDescriptor, set: &DynamicMessage, options: &Options) -> Format {
    let text = |option: &Option<ExtensionDescriptor>| match extension(set, option.as_ref()) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    // gov v1 marks plain strings ("0.334") as cosmos.Dec: there the Go type decides. Our own files need no Go type.
    let custom = text(&options.custom_type);
    let scalar = if is_own(descriptor) { text(&options.scalar) } else { String::new() };
    if extension(set, options.std_time.as_ref()) == Some(Value::Bool(true)) {
        return Format::Time;
    }
    match (custom.as_str(), scalar.as_str(), text(&options.cast_type).as_str()) {
        ("cosmossdk.io/math.LegacyDec", ..) | (_, "cosmos.Dec", _) => Format::Dec,
        ("cosmossdk.io/math.Int", ..) | (_, "cosmos.Int", _) => Format::Int,
        (_, _, "encoding/json.RawMessage") => Format::RawJson,
        (_, _, "github.com/cometbft/cometbft/libs/bytes.HexBytes") => Format::Hex,
        _ => Format::Plain,
    }
}

fn is_own(descriptor: &FieldDescriptor) -> bool {
    descriptor.parent_file().package_name().starts_with("geodesic.")
}

fn extension(set: &DynamicMessage, option: Option<&ExtensionDescriptor>) -> Option<Value> {
    option.filter(|option| set.has_extension(option)).map(|option| set.get_extension(option).into_owned())
}

fn kind(kind: &prost_reflect::Kind, names: &Names, enums: &Names) -> Kind {
    use prost_reflect::Kind as K;
    let index = |names: &Names, name: &str| names.get(name).copied().unwrap_or(usize::MAX);
    match kind {
        K::Bool => Kind::Bool,
        K::Int32 => Kind::Int32,
        K::Int64 => Kind::Int64,
        K::Uint32 => Kind::Uint32,
        K::Uint64 => Kind::Uint64,
        K::Sint32 => Kind::Sint32,
        K::Sint64 => Kind::Sint64,
        K::Fixed32 => Kind::Fixed32,
        K::Fixed64 => Kind::Fixed64,
        K::Sfixed32 => Kind::Sfixed32,
        K::Sfixed64 => Kind::Sfixed64,
        K::Float => Kind::Float,
        K::Double => Kind::Double,
        K::String => Kind::String,
        K::Bytes => Kind::Bytes,
        K::Enum(descriptor) => Kind::Enum(index(enums, descriptor.full_name())),
        K::Message(descriptor) => Kind::Message(index(names, descriptor.full_name())),
    }
}

fn enumeration(descriptor: &EnumDescriptor) -> Enum {
    let mut result = Enum::default();
    for value in descriptor.values() {
        // An alias reads as well as the first name, which is the one written.
        result.by_number.entry(value.number()).or_insert_with(|| value.name().to_owned());
        result.by_name.insert(value.name().to_owned(), value.number());
    }
    result
}
