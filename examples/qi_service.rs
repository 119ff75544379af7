//! A directory with a service of its own: `cargo run --example qi_service`.

use std::sync::{Arc, OnceLock};

use nanomsg::qi::client::shared_reactor;
use nanomsg::qi::server::{Object, ObjectBuilder, Options, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let this: Arc<OnceLock<Object>> = Arc::default();
    let (me, mut builder) = (Arc::clone(&this), ObjectBuilder::new());
    builder.signal("said", "(s)");
    builder.method("greet", "(s)", "s", move |call| {
        let text = format!("Hello, {}!", call.arguments[0].as_str().unwrap_or("you"));
        me.get().ok_or("not yet")?.emit("said", vec![text.as_str().into()]).map_err(|error| error.to_string())?;
        Ok(text.as_str().into())
    });
    let server = Server::standalone(&shared_reactor()?, &["tcp://127.0.0.1:9559"], Options::default())?;
    server.add_service("Greeter", this.get_or_init(|| builder.build().expect("valid signatures")))?;
    loop {
        std::thread::park();
    }
}
