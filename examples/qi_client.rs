//! Calls a service and listens to its signal: `cargo run --example qi_client`, with the example `qi_service` running.

use nanomsg::qi::client::{CallError, Session, SessionOptions};

fn main() -> Result<(), CallError> {
    let session = Session::connect("tcp://127.0.0.1:9559", SessionOptions::default())?;
    let greeter = session.service("Greeter")?;
    let said = greeter.subscribe("said")?;
    let answer: String = greeter.invoke("greet", ("world",))?;
    println!("{answer}");
    let event = said.next(None)?;
    let (text,): (String,) = event.to()?;
    println!("event {text:?}, {} lost before it", event.missed);
    Ok(())
}
