"""Grade a class with nbgrader: collect the submissions, run each in a sandbox, report.

The steps, one module each: :mod:`collect` finds the submissions, :mod:`assemble` puts a student's
answers into the released notebook, :mod:`sandbox` and :mod:`execute` run it, :mod:`coursefolder` is
nbgrader's side (gradebook, autograde, feedback), :mod:`workers` spreads the work over the cores,
:mod:`results` keeps what is finished and :mod:`report` tells the class's results.

What runs where. Everything here is trusted and executes no line of a student. A student's code
runs only in the kernel: another process, inside the sandbox, with which the grader speaks
Jupyter's messages over Unix sockets.

What cannot be excluded: the checks call the student's functions, so they live in one process. The
grader compares the checks and what they use with a clean kernel before and after every test cell
(:mod:`probe`). Code written against just that comparison, which undoes its change in time or
answers the grader's questions itself, can still award itself points. It cannot reach another
student, the gradebook or the solutions. Such code is long and strange; a look into the feedback of
a suspect shows it.
"""
