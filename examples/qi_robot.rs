//! A robot on the object bus: a service with methods, a signal, a property and objects. `qi_pilot` calls it:
//! `cargo run --example qi_robot tcp://127.0.0.1:9559`. The same program is there in C and in Python.

use std::collections::BTreeMap;

use nanomsg::qi::bus::serve;
use nanomsg::qi::server::{Call, CallError, Object, ObjectBuilder};

fn arm(name: String) -> Result<Object, String> {
    if name != "left" && name != "right" {
        return Err("there is no such arm".into());
    }
    let mut arm = ObjectBuilder::new();
    arm.signal("lifted", "(d)");
    arm.function("name", move || name.clone());
    arm.function_with("lift", |call: &Call, angle: f64| call.object().fire("lifted", (angle,)).map(|_| angle));
    arm.build()
}

fn walk(call: &Call, meters: f64) -> Result<f64, CallError> {
    if meters < 0.0 {
        return Err("cannot walk backwards".into());
    }
    call.object().update("battery", |level: i32| level - (10.0 * meters) as i32)?;
    Ok(call.object().update("position", |position: f64| position + meters)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut robot = ObjectBuilder::new();
    robot.signal("said", "(s)");
    robot.property("battery", "i", 100);
    robot.property("position", "d", 0.0);
    robot.function_with("walk", walk);
    robot.function("route", |steps: Vec<(f64, f64)>| steps.iter().map(|(x, y)| x.abs() + y.abs()).sum::<f64>());
    robot.function_with("sensors", |call: &Call| {
        let position = call.object().get_to::<f64>("position");
        position.map(|position| BTreeMap::from([("head".to_owned(), 0.5), ("position".to_owned(), position)]))
    });
    robot.function_with("say", |call: &Call, text: String| call.object().fire("said", (text,)).map(drop));
    robot.function("arm", arm);
    let server = serve(&std::env::args().nth(1).unwrap_or("tcp://127.0.0.1:9559".into()))?;
    server.add_service("Robot", &robot.build()?)?;
    println!("{}", server.addresses()[0]);
    std::io::read_to_string(std::io::stdin())?;
    Ok(())
}
