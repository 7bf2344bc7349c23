import subprocess
import sys

from edgecompress.testing.sample_files import FACE, fixed_classifier


def test_it_never_imports_tensorflow(tmp_path):
    code = (
        "import sys; import edgecompress.runtimes.service\n"
        "from edgecompress.runtimes.engines.session import open_session\n"
        "for path in sys.argv[1:]: open_session(path)\n"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in ('tensorflow', 'tf_keras', 'keras')))"
    )
    command = [sys.executable, "-c", code, str(FACE), str(fixed_classifier(tmp_path))]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
