//! The fields of a definition's schemas, as the server's own type has them: the tables of types
//! leave schemas open, for their type is made of itself.
//!
//! Source: `JSONSchemaProps` of `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions`.

/// What a field holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// A text, empty where it is absent.
    Text,
    /// A text, or none.
    Pointer,
    /// Whether something is so, which it is not where it is absent.
    Flag,
    /// The same, or nothing said of it.
    FlagPointer,
    /// An integer.
    Whole,
    /// A number.
    Number,
    /// A list of texts.
    Texts,
    /// A list of anything.
    Values,
    /// Anything.
    Anything,
    /// A schema.
    Schema,
    /// A list of schemas.
    Schemas,
    /// Schemas by names, and what Go calls the type of all.
    Named(&'static str),
    /// Schemas or lists of texts by names.
    Dependencies,
    /// A schema, or whether anything is allowed.
    Allowed,
    /// A schema, or several.
    Items,
    /// Rules in CEL.
    Rules,
}

/// The fields of a schema in the order of its Go type: their names there, and in JSON.
pub(super) const FIELDS: [(&str, &str, Holds); 44] = [
    ("ID", "id", Holds::Text),
    ("Schema", "$schema", Holds::Text),
    ("Ref", "$ref", Holds::Pointer),
    ("Description", "description", Holds::Text),
    ("Type", "type", Holds::Text),
    ("Nullable", "nullable", Holds::Flag),
    ("Format", "format", Holds::Text),
    ("Title", "title", Holds::Text),
    ("Default", "default", Holds::Anything),
    ("Maximum", "maximum", Holds::Number),
    ("ExclusiveMaximum", "exclusiveMaximum", Holds::Flag),
    ("Minimum", "minimum", Holds::Number),
    ("ExclusiveMinimum", "exclusiveMinimum", Holds::Flag),
    ("MaxLength", "maxLength", Holds::Whole),
    ("MinLength", "minLength", Holds::Whole),
    ("Pattern", "pattern", Holds::Text),
    ("MaxItems", "maxItems", Holds::Whole),
    ("MinItems", "minItems", Holds::Whole),
    ("UniqueItems", "uniqueItems", Holds::Flag),
    ("MultipleOf", "multipleOf", Holds::Number),
    ("Enum", "enum", Holds::Values),
    ("MaxProperties", "maxProperties", Holds::Whole),
    ("MinProperties", "minProperties", Holds::Whole),
    ("Required", "required", Holds::Texts),
    ("Items", "items", Holds::Items),
    ("AllOf", "allOf", Holds::Schemas),
    ("OneOf", "oneOf", Holds::Schemas),
    ("AnyOf", "anyOf", Holds::Schemas),
    ("Not", "not", Holds::Schema),
    ("Properties", "properties", Holds::Named("map[string]v1.JSONSchemaProps")),
    ("AdditionalProperties", "additionalProperties", Holds::Allowed),
    ("PatternProperties", "patternProperties", Holds::Named("map[string]v1.JSONSchemaProps")),
    ("Dependencies", "dependencies", Holds::Dependencies),
    ("AdditionalItems", "additionalItems", Holds::Allowed),
    ("Definitions", "definitions", Holds::Named("v1.JSONSchemaDefinitions")),
    ("ExternalDocs", "externalDocs", Holds::Anything),
    ("Example", "example", Holds::Anything),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", Holds::FlagPointer),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", Holds::Flag),
    ("XIntOrString", "x-kubernetes-int-or-string", Holds::Flag),
    ("XListMapKeys", "x-kubernetes-list-map-keys", Holds::Texts),
    ("XListType", "x-kubernetes-list-type", Holds::Pointer),
    ("XMapType", "x-kubernetes-map-type", Holds::Pointer),
    ("XValidations", "x-kubernetes-validations", Holds::Rules),
];
