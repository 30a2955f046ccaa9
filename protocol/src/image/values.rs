//! Images as plain values of the `system` document: what members choose from. Ports, arguments and capabilities are nobody's
//! business there.

use super::{ContainerImage, ImageFilter, ImageRegistry};
use crate::document::system::{Fields, Value};

/// The root of the `system` document that images are in.
pub const ROOT: &str = "images";

/// All images, for the root of the document.
pub fn values_of(images: &ImageRegistry) -> Fields {
    images.list(ImageFilter::default()).map(|image| (image.id.to_string(), value_of(image))).collect()
}

fn value_of(image: &ContainerImage) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    let variables = image.env.iter().map(|variable| {
        let mut fields = Fields::from([
            ("description".to_owned(), text(&variable.description)),
            ("required".to_owned(), Value::Bool(variable.required && variable.default.is_none())),
            ("secret".to_owned(), Value::Bool(variable.secret)),
        ]);
        if let Some(default) = &variable.default {
            fields.insert("default".to_owned(), text(default));
        }
        (variable.name.to_string(), Value::Map(fields))
    });
    Value::Map(Fields::from([
        ("name".to_owned(), text(&image.name)),
        ("description".to_owned(), text(&image.description)),
        ("containerType".to_owned(), text(image.container_type.as_str())),
        ("category".to_owned(), text(image.category.as_str())),
        ("open".to_owned(), Value::Bool(image.uri.is_none())),
        (
            "services".to_owned(),
            Value::List(image.services.iter().map(|service| text(service.name.as_str())).collect()),
        ),
        ("env".to_owned(), Value::Map(variables.collect())),
    ]))
}
