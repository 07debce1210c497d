"""The commands of client/README.md and README.md do what they say, against the real server.

    readme_commands_test.py python|grpcurl PROGRAM     PROGRAM: build/<preset>/bin/strided

Ends as skipped (exit code 77) where the tool that the commands need is not installed.
"""

import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTED_ADDRESS = "127.0.0.1:50051"
SKIPPED = 77
PATIENCE = 120  # seconds after which a command counts as lost


def blocks(document, section, language):
    """The code blocks of a language in a section of a Markdown file, in order."""
    text = (ROOT / document).read_text()
    body = re.split(rf"^## {re.escape(section)}$", text, flags=re.MULTILINE)[1]
    body = re.split(r"^## ", body, flags=re.MULTILINE)[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", body, flags=re.MULTILINE | re.DOTALL)


class Server:
    """The program with the bundled models, on a free port, for the length of a `with`."""

    def __init__(self, program):
        self.program = program

    def __enter__(self):
        arguments = ["--model_repository=deploy/models", "--listen=127.0.0.1:0",
                     "--metrics_listen=off", "--drain_delay=0s"]
        self.process = subprocess.Popen([self.program, *arguments], cwd=ROOT, text=True,
                                        stderr=subprocess.PIPE)
        for line in self.process.stderr:
            entry = json.loads(line)
            if entry["message"] == "ready":
                self.address = entry["listen"]
                return self
        raise AssertionError("the server ended before it was ready")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE)


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(PROGRAM))

    def run_block(self, block, directory=ROOT):
        """Runs a shell block as it stands, but for the address and what installs packages."""
        lines = [line for line in block.splitlines(keepends=True) if "install" not in line]
        script = "".join(lines).replace(DOCUMENTED_ADDRESS, self.server.address)
        path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.run(["bash", "-euc", script], cwd=directory, capture_output=True,
                              env={**os.environ, "PATH": path}, timeout=PATIENCE, check=False)


class PythonCommands(Commands):
    def run_program(self, program):
        """Runs a program the way that client/README.md says."""
        [commands] = blocks("client/README.md", "Python", "sh")
        with tempfile.TemporaryDirectory() as directory:
            work = pathlib.Path(directory)
            (work / "proto").symlink_to(ROOT / "proto")
            (work / "generate.py").write_text(
                program.replace(DOCUMENTED_ADDRESS, self.server.address))
            return self.run_block(commands, work)

    def test_the_program_of_the_client_streams_tokens(self):
        [program] = blocks("client/README.md", "Python", "python")
        ran = self.run_program(program)
        self.assertEqual(ran.returncode, 0, ran.stderr.decode())
        self.assertEqual(len(ran.stdout), 200)

    def test_the_program_of_the_client_shows_an_error(self):
        [program] = blocks("client/README.md", "Python", "python")
        ran = self.run_program(program.replace("temperature=0.8", "temperature=-1"))
        self.assertEqual(ran.returncode, 1)
        self.assertRegex(ran.stderr.decode(), r"^INVALID_ARGUMENT: .*temperature.*\(reason .+\)\n$")

    def test_the_program_of_the_front_page_streams_tokens(self):
        [program] = blocks("README.md", "Call it from your own client", "python")
        ran = self.run_program(program)
        self.assertEqual(ran.returncode, 0, ran.stderr.decode())
        self.assertEqual(len(ran.stdout.decode()), 200)


class GrpcurlCommands(Commands):
    def test_the_commands_list_describe_and_generate(self):
        [commands] = blocks("client/README.md", "grpcurl", "sh")
        ran = self.run_block(commands)
        self.assertEqual(ran.returncode, 0, ran.stderr.decode())
        answers = ran.stdout.decode()
        for expected in ["strided.v1.SamplingService", '"name": "text"', '"started"', '"summary"']:
            self.assertIn(expected, answers)


def missing(example):
    """What the commands of an example need and this machine lacks; empty where nothing."""
    if example == "grpcurl":
        return [] if shutil.which("grpcurl") else ["grpcurl"]
    programs = [name for name in ["protoc", "grpc_python_plugin"] if not shutil.which(name)]
    return programs + [name for name in ["grpc", "google"] if not importlib.util.find_spec(name)]


if __name__ == "__main__":
    EXAMPLE, PROGRAM = sys.argv[1:3]
    if MISSING := missing(EXAMPLE):
        print("skipped: not installed:", ", ".join(MISSING))
        sys.exit(SKIPPED)
    unittest.main(argv=[sys.argv[0]],
                  defaultTest={"python": "PythonCommands", "grpcurl": "GrpcurlCommands"}[EXAMPLE])
