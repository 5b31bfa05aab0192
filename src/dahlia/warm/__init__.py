"""Commands that are forked from a process in which torch & co. are imported already.

    with WarmProcess.start() as warm:                                        dahlia.warm.process
        environment["DAHLIA_WARM"] = str(warm.socket)
        subprocess.run([*dvc_command(environment), "repro"], env=environment)    dahlia.warm.protocol

`server` imports, listens, and forks a `supervision` for every client, which forks the
command. The client is `python -m dahlia`: it hands over its arguments, environment and standard streams,
passes signals on, and ends as the command ends. Where there is no warm process yet or any more, or one that
is not like the client in what libraries read once (`protocol`), the client runs the command itself.
"""
