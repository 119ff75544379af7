//! A directory with a service of its own: `cargo run --example qi_service`.

use nanomsg::qi::bus::serve;
use nanomsg::qi::server::{Call, CallError, ObjectBuilder};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = ObjectBuilder::new();
    builder.signal("said", "(s)");
    builder.function_with("greet", |call: &Call, name: String| {
        let text = format!("Hello, {name}!");
        call.object().fire("said", (text.as_str(),))?;
        Ok::<_, CallError>(text)
    });
    let server = serve("tcp://127.0.0.1:9559")?;
    server.add_service("Greeter", &builder.build()?)?;
    loop {
        std::thread::park();
    }
}
