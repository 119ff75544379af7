//! Calls the robot of the example `qi_robot`, on this machine or at the address that is given:
//! `cargo run --example qi_pilot tcp://127.0.0.1:9559`. The same program is there in C and in Python.

use std::collections::BTreeMap;

use nanomsg::qi::client::{Result, connect};

fn main() -> Result<()> {
    let session = connect(&std::env::args().nth(1).unwrap_or("tcp://127.0.0.1:9559".into()))?;
    let robot = session.service("Robot")?;
    let said = robot.subscribe("said")?;
    println!("walked to {}", robot.invoke::<f64>("walk", (2.5,))?);
    println!("a route of {}", robot.invoke::<f64>("route", (vec![(1.5, 2.0), (0.0, 1.0)],))?);
    println!("battery {}", robot.property_to::<i32>("battery")?);
    robot.set_property("battery", 100.into())?;
    println!("charged to {}", robot.property_to::<i32>("battery")?);
    for (name, value) in robot.invoke::<BTreeMap<String, f64>>("sensors", ())? {
        println!("sensor {name} {value}");
    }
    robot.call("say", &["hello".into()])?;
    println!("it said {}", said.next(None)?.to::<(String,)>()?.0);
    let arm = robot.call("arm", &["left".into()])?.proxy().ok_or("no arm")?;
    println!("the {} arm is at {}", arm.invoke::<String>("name", ())?, arm.invoke::<f64>("lift", (0.5,))?);
    for refused in [robot.call("walk", &[(-1.0).into()]), robot.call("arm", &["third".into()])] {
        let text = refused.expect_err("nobody can do that").to_string();
        println!("refused: {}", if text.contains("backwards") { "backwards" } else { "no such arm" });
    }
    Ok(())
}
