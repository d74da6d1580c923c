"""What an instructor runs: release a lab, check it before it is handed in, grade a class.

The steps of grading, one module each: :mod:`collect` finds the submissions, :mod:`assemble` puts a
student's answers into the released notebook, :mod:`kernel` executes it in a :mod:`sandbox`,
:mod:`outputs` looks at what that printed, :mod:`coursefolder` is nbgrader's side (gradebook, autograde,
feedback), :mod:`submission` does all that for one student and :mod:`run` for the class; :mod:`grades`
keeps what is finished and :mod:`report` tells it.

Everything here is trusted and executes no line of a student. A student's code runs only in the kernel:
another process, inside the sandbox, with which the grader speaks Jupyter's messages over Unix sockets.
The checks call the student's functions, so they live in that one process: code that is written against
the grader can always forge its own points, and nothing else.
"""
