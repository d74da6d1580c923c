"""Grade a class with nbgrader: collect the submissions, run each in a sandbox, report.

The steps, one module each: :mod:`collect` finds the submissions, :mod:`assemble` puts a student's
answers into the released notebook, :mod:`sandbox`, :mod:`kernels`, :mod:`execute` and :mod:`watch`
run it, :mod:`judge` looks at its outputs, :mod:`coursefolder` is nbgrader's side (gradebook, autograde,
feedback), :mod:`byhand` keeps what a person decided, :mod:`workers` spreads the work over the cores,
:mod:`results` keeps what is finished and :mod:`report` tells the class's results.

What runs where. Everything here is trusted and executes no line of a student. A student's code
runs only in the kernel: another process, inside the sandbox, with which the grader speaks
Jupyter's messages over Unix sockets. On Linux that process is forked (:mod:`prefork`) from one that has
imported the lab's libraries, which takes two fifths of the time otherwise; what is asked of such a
kernel is that it may do nothing that a newly started one may not (``tests/test_grade.py`` compares).

What can still be forged: the checks call the student's functions, so they live in one process. The
grader compares the checks and the functions of NumPy that they use with a clean kernel before and
after every test cell (:mod:`probe`), and takes a test's errors before its values (:mod:`judge`). That
finds changes which are still there when it looks. It does not find

- a change that is undone in time, by the student's function itself or by a thread;
- a kernel that answers the grader's questions itself, having changed the interpreter below them
  (``ctypes``, ``gc``, a debugger's hooks);
- a change of what is not compared: other libraries (Keras, SciPy), compiled code, NumPy's inside;
- an answer that reads the reference from the checks and returns what it returns.

Such code gets points that it does not deserve, and can write what it likes into its own outputs. It
cannot reach another student, the gradebook or the solutions. It is long and strange: the table of
grades names suspicious words in it, and a look into the feedback of a suspect shows it.
"""
