# The course and its grader in a container, for systems without a sandbox of their own (macOS, Windows,
# Linux without bubblewrap). Build it once, with the network:
#
#   docker build -t nnlabs-grade .
#
# Grade with it; nothing but the results can be written, and there is no network:
#
#   mkdir -p build/grading
#   docker run --rm --network none --read-only --tmpfs /tmp:size=2g \
#     --cap-drop ALL --cap-add SETUID --cap-add SETGID --cap-add CHOWN --cap-add FOWNER \
#     --cap-add DAC_OVERRIDE --cap-add KILL --security-opt no-new-privileges \
#     --memory 8g --pids-limit 1024 \
#     -v "$PWD/submissions:/private/submissions:ro" -v "$PWD/build/grading:/private/results" \
#     nnlabs-grade 03 /private/submissions
#
# Inside there is no second sandbox: Docker forbids it. The container keeps submissions from your files
# and from the network; each still runs as a user id of its own, without rights, with limits, and cannot
# pass through the folders of the results, the submissions, the lessons and the solutions: they are root's.
# They share /tmp, which ends with the container; each has its own folder in it for temporary files.
FROM python:3.12-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore HOME=/tmp
WORKDIR /course

# The packages first: a change of a lesson does not install them again.
COPY requirements requirements
RUN pip install -r requirements/lock.txt

COPY pyproject.toml README.md LICENSE ./
COPY LICENSES LICENSES
COPY data data
COPY nnlabs nnlabs
RUN pip install --no-deps -e .

COPY tools tools
COPY grading grading
COPY lessons lessons
COPY solutions solutions
# A submission runs as another user: it must read the package and its data, and must not read the rest.
RUN chmod -R a+rX /course && chmod -R go-rwx tools grading lessons solutions \
    && install -d -m 700 /private

ENTRYPOINT ["python", "-m", "grading", "--output", "/private/results"]
CMD ["--help"]
