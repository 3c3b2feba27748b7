#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a unit says, done without systemd: for recipes on machines where it is not PID 1. By the name it is called by:

  systemctl daemon-reload|enable [--now]|start|stop|restart|reload|is-active|reset-failed|show -p NAME --value UNIT
  systemd-run [--quiet] [--wait] [--pipe] [--collect] [-p NAME=VALUE]... COMMAND [ARGUMENT]...
  journalctl -u UNIT ...

A service runs as its user and group, with no new privileges and no capability, with the environment, folders,
credentials, limits and umask that systemd would give it, and is started again or not as its unit says. What only a
kernel can enforce (namespaces, system calls, devices) is passed over by name; a setting of neither kind is an error, so
that none is passed over unseen.
"""
import grp
import json
import os
import pwd
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time

UNITS = "/etc/systemd/system"
STATE = "/run/stand-in"
FOLDERS = {"StateDirectory": "/var/lib", "RuntimeDirectory": "/run"}
LISTS = {"Environment", "LoadCredential", "LoadCredentialEncrypted", "ExecStart", "ExecReload", "StateDirectory",
         "RuntimeDirectory", "SupplementaryGroups"}
SINGLE = {"Type", "User", "Group", "UMask", "StateDirectoryMode", "RuntimeDirectoryMode", "Restart", "RestartSec",
          "RestartPreventExitStatus", "LimitNOFILE", "LimitCORE", "NoNewPrivileges", "CapabilityBoundingSet",
          "AmbientCapabilities"}
OF_THE_KERNEL = re.compile(r"(Private|Protect|Restrict(AddressFamilies|Namespaces|Realtime|SUIDSGID)$|SystemCall|Device"
                           r"|ProcSubset$|RemoveIPC$|LockPersonality$|MemoryDenyWriteExecute$)")


def fail(text, status=1):
    print(f"stand_in: {text}", file=sys.stderr)
    sys.exit(status)


# --- what a unit says ---

def add_setting(settings, name, value):
    """As systemd.service(5): a list grows, and an empty value empties it; of the others the last one counts."""
    if name in LISTS:
        settings[name] = settings.get(name, []) + [value] if value else []
        if name == "LoadCredential" and not value:
            settings["LoadCredentialEncrypted"] = []
    elif name in SINGLE:
        settings[name] = value
    elif not OF_THE_KERNEL.match(name):
        fail(f"{name}= is nothing that this stand-in knows")


def read_unit(unit):
    path = f"{UNITS}/{unit}"
    if not os.path.exists(path):
        fail(f"Unit {unit} not found.", 5)
    settings = {}
    drop_ins = f"{path}.d"
    files = sorted(os.listdir(drop_ins)) if os.path.isdir(drop_ins) else []
    for file in [path] + [f"{drop_ins}/{name}" for name in files if name.endswith(".conf")]:
        section = ""
        with open(file, encoding="utf-8") as lines:
            for line in lines:
                line = line.strip()
                if line.startswith("["):
                    section = line
                elif line and line[0] not in "#;" and section == "[Service]":
                    add_setting(settings, *(part.strip() for part in line.split("=", 1)))
    return settings


# --- what systemd gives a service ---

def make_folders(settings, user):
    """Their variables. A folder that is there gets its mode and owner again."""
    variables = {}
    for kind, above in FOLDERS.items():
        names = " ".join(settings.get(kind, [])).split()
        for name in names:
            path = f"{above}/{name}"
            os.makedirs(path, exist_ok=True)
            os.chown(path, user.pw_uid, user.pw_gid)
            os.chmod(path, int(settings.get(f"{kind}Mode", "0755"), 8))
        if names:
            variables[kind.replace("Directory", "_DIRECTORY").upper()] = ":".join(f"{above}/{name}" for name in names)
    return variables


def credential(name, path, encrypted):
    if not encrypted:
        with open(path, "rb") as file:
            return file.read()
    return subprocess.run(["systemd-creds", "decrypt", f"--name={name}", path, "-"], check=True, capture_output=True).stdout


def make_credentials(settings, user, unit):
    given = {}
    for kind in ("LoadCredential", "LoadCredentialEncrypted"):
        for entry in settings.get(kind, []):
            name, path = entry.split(":", 1)
            given[name] = credential(name, path, kind.endswith("Encrypted"))
    if not given:
        return {}
    folder = f"/run/credentials/{unit}"
    os.makedirs(os.path.dirname(folder), mode=0o755, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder, 0o700)
    for name, content in given.items():
        with open(f"{folder}/{name}", "wb") as file:
            file.write(content)
        os.chown(f"{folder}/{name}", user.pw_uid, 0)
        os.chmod(f"{folder}/{name}", 0o400)
    os.chown(folder, user.pw_uid, 0)
    os.chmod(folder, 0o500)
    return {"CREDENTIALS_DIRECTORY": folder}


def make_environment(settings, user, unit):
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                   "USER": user.pw_name, "LOGNAME": user.pw_name, "HOME": user.pw_dir, "SHELL": user.pw_shell,
                   "INVOCATION_ID": os.urandom(16).hex()}
    for entry in settings.get("Environment", []):
        environment.update(pair.split("=", 1) for pair in shlex.split(entry))
    environment.update(make_folders(settings, user))
    environment.update(make_credentials(settings, user, unit))
    return environment


def expand(line, environment):
    """${NAME} is one word or part of one; a word that is $NAME becomes as many as it holds."""
    words = []
    for word in line if isinstance(line, list) else shlex.split(line):
        alone = re.fullmatch(r"\$(\w+)", word)
        if alone:
            words += environment.get(alone[1], "").split()
        else:
            words.append(re.sub(r"\$\{(\w+)\}", lambda found: environment.get(found[1], ""), word))
    return words


def limit(settings):
    """Of what we may not have, as much as we may."""
    for name, number in (("LimitNOFILE", resource.RLIMIT_NOFILE), ("LimitCORE", resource.RLIMIT_CORE)):
        if name in settings:
            wanted, most = int(settings[name]), resource.getrlimit(number)[1]
            try:
                resource.setrlimit(number, (wanted, wanted))
            except ValueError:
                resource.setrlimit(number, (most, most))
    os.umask(int(settings.get("UMask", "0022"), 8))


def as_service(settings, line, environment):
    """The words of a program that becomes the service's, and what to do before."""
    user, group = settings.get("User", "root"), settings.get("Group", "")
    groups = [str(grp.getgrnam(name).gr_gid) for name in " ".join(settings.get("SupplementaryGroups", [])).split()]
    words = ["/usr/bin/setpriv", f"--reuid={user}", f"--regid={group or pwd.getpwnam(user).pw_gid}",
             f"--groups={','.join(groups)}" if groups else "--clear-groups"]
    if settings.get("NoNewPrivileges") == "yes":
        words.append("--no-new-privs")
    if settings.get("CapabilityBoundingSet") == "":
        words += ["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    return words + ["--"] + expand(line, environment)


# --- a service and who looks after it ---

def note(unit, **changes):
    """The service's state, replaced by rename."""
    path = f"{STATE}/{unit}.json"
    state = {"ActiveState": "inactive", "MainPID": 0, "NRestarts": 0, "ExecMainStatus": 0, "Keeper": 0}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            state.update(json.load(file))
    if changes:
        state.update(changes)
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.rename(f"{path}.new", path)
    return state


def run_once(unit, settings):
    environment = make_environment(settings, pwd.getpwnam(settings.get("User", "root")), unit)
    words = as_service(settings, settings["ExecStart"][0], environment)
    service = subprocess.Popen(words, env=environment, cwd="/", preexec_fn=lambda: limit(settings))
    note(unit, ActiveState="active", MainPID=service.pid)
    status = service.wait()
    for name in " ".join(settings.get("RuntimeDirectory", [])).split():
        shutil.rmtree(f"/run/{name}", ignore_errors=True)
    shutil.rmtree(f"/run/credentials/{unit}", ignore_errors=True)
    return status


def keep(unit, settings):
    """Until the service is stopped, or ends with a status after which it is not started again."""
    stopping = []

    def end_service(*_):
        stopping.append(True)
        if note(unit)["MainPID"]:
            os.kill(note(unit)["MainPID"], signal.SIGTERM)
    signal.signal(signal.SIGTERM, end_service)
    prevented = {int(status) for status in settings.get("RestartPreventExitStatus", "").split()}
    while True:
        status = run_once(unit, settings)
        clean = stopping or status in (0, -signal.SIGHUP, -signal.SIGINT, -signal.SIGTERM, -signal.SIGPIPE)
        if clean or status in prevented or settings.get("Restart") != "on-failure":
            break
        note(unit, ActiveState="activating", MainPID=0, ExecMainStatus=status)
        time.sleep(float(settings.get("RestartSec", "0.1")))
        if stopping:
            break
        note(unit, NRestarts=note(unit)["NRestarts"] + 1)
    note(unit, ActiveState="inactive" if clean else "failed", ExecMainStatus=status)


def start(unit):
    settings = read_unit(unit)
    if note(unit)["Keeper"]:
        return
    note(unit, ActiveState="activating", NRestarts=0)
    keeper = os.fork()
    if keeper == 0:
        os.setsid()
        log = os.open(f"{STATE}/{unit}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for number, target in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
            os.dup2(target, number)
        note(unit, Keeper=os.getpid())
        try:
            keep(unit, settings)
        finally:
            note(unit, MainPID=0, Keeper=0)
        sys.exit()
    while os.waitid(os.P_PID, keeper, os.WEXITED | os.WNOHANG) is None and not note(unit)["MainPID"]:
        time.sleep(0.02)


def stop(unit):
    keeper = note(unit)["Keeper"]
    if keeper:
        os.kill(keeper, signal.SIGTERM)
    while note(unit)["Keeper"]:
        time.sleep(0.02)
    note(unit, ActiveState="inactive")


def reload(unit):
    settings, state = read_unit(unit), note(unit)
    if not state["MainPID"]:
        fail(f"{unit} is not active, cannot reload.")
    environment = {"MAINPID": str(state["MainPID"]), "PATH": os.defpath}
    subprocess.run(as_service(settings, settings["ExecReload"][0], environment), env=environment, check=True)


def systemctl(words):
    verb, options = words[0], [word for word in words[1:] if word.startswith("-")]
    units = [word if "." in word else f"{word}.service" for word in words[1:] if not word.startswith("-")]
    if verb == "show":
        print(note(units[-1])[words[words.index("-p") + 1]])
        return
    for unit in units:
        if verb in ("stop", "restart"):
            stop(unit)
        if verb in ("start", "restart") or (verb == "enable" and "--now" in options):
            start(unit)
        if verb == "reload":
            reload(unit)
        if verb == "reset-failed":
            note(unit, ActiveState="inactive")
        if verb == "is-active":
            print(note(unit)["ActiveState"])
            sys.exit(0 if note(unit)["ActiveState"] == "active" else 3)


# --- one command ---

def systemd_run(words):
    settings = {}
    while words[0].startswith("-"):
        if words[0] == "-p":
            add_setting(settings, *words[1].split("=", 1))
            words = words[1:]
        elif words[0] not in ("--quiet", "--wait", "--pipe", "--collect"):
            fail(f"{words[0]} is nothing that this stand-in knows")
        words = words[1:]
    unit = f"run-{os.getpid()}.service"
    environment = make_environment(settings, pwd.getpwnam(settings.get("User", "root")), unit)
    words[0] = shutil.which(words[0]) or words[0] # as systemd-run, by the caller's PATH
    end = subprocess.run(as_service(settings, words, environment), env=environment, cwd="/", preexec_fn=lambda: limit(settings),
                         check=False)
    shutil.rmtree(f"/run/credentials/{unit}", ignore_errors=True)
    sys.exit(end.returncode)


def journalctl(words):
    unit = words[words.index("-u") + 1]
    with open(f"{STATE}/{unit if '.' in unit else unit + '.service'}.log", encoding="utf-8") as file:
        sys.stdout.write(file.read())


os.makedirs(STATE, exist_ok=True)
{"systemctl": systemctl, "systemd-run": systemd_run, "journalctl": journalctl}[os.path.basename(sys.argv[0])](sys.argv[1:])
